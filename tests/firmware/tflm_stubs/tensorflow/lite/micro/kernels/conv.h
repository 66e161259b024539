#ifndef TFLM_STUBS_CONV_H_
#define TFLM_STUBS_CONV_H_

#include "tensorflow/lite/micro/stub_common.h"

namespace tflite {

struct OpDataConv {
  std::int32_t* per_channel_output_multiplier;
  std::int32_t* per_channel_output_shift;
};

TFLMRegistration Register_CONV_2D();
TFLMRegistration Register_CONV_2D_INT16();
TFLMRegistration Register_CONV_2D_INT4();
TFLMRegistration Register_CONV_2D_INT8();
TFLMRegistration Register_CONV_2D_INT8REF();

}  // namespace tflite

#endif  // TFLM_STUBS_CONV_H_
