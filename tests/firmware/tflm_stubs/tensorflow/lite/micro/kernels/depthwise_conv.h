#ifndef TFLM_STUBS_DEPTHWISE_CONV_H_
#define TFLM_STUBS_DEPTHWISE_CONV_H_

#include "tensorflow/lite/micro/stub_common.h"

namespace tflite {

TFLMRegistration Register_DEPTHWISE_CONV_2D();
TFLMRegistration Register_DEPTHWISE_CONV_2D_INT16();
TFLMRegistration Register_DEPTHWISE_CONV_2D_INT4();
TFLMRegistration Register_DEPTHWISE_CONV_2D_INT8();

}  // namespace tflite

#endif  // TFLM_STUBS_DEPTHWISE_CONV_H_
