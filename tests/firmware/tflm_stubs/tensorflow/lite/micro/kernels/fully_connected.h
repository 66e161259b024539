#ifndef TFLM_STUBS_FULLY_CONNECTED_H_
#define TFLM_STUBS_FULLY_CONNECTED_H_

#include "tensorflow/lite/micro/stub_common.h"

namespace tflite {

struct OpDataFullyConnected {
  std::int32_t* per_channel_output_multiplier;
  std::int32_t* per_channel_output_shift;
};

TFLMRegistration Register_FULLY_CONNECTED();
TFLMRegistration Register_FULLY_CONNECTED_INT16();
TFLMRegistration Register_FULLY_CONNECTED_INT4();
TFLMRegistration Register_FULLY_CONNECTED_INT8();

}  // namespace tflite

#endif  // TFLM_STUBS_FULLY_CONNECTED_H_
