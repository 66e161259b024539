#ifndef TFLM_STUBS_SOFTMAX_H_
#define TFLM_STUBS_SOFTMAX_H_

#include "tensorflow/lite/micro/stub_common.h"

namespace tflite {

TFLMRegistration Register_SOFTMAX();
TFLMRegistration Register_SOFTMAX_INT16();
TFLMRegistration Register_SOFTMAX_INT8();
TFLMRegistration Register_SOFTMAX_INT8_INT16();

}  // namespace tflite

#endif  // TFLM_STUBS_SOFTMAX_H_
