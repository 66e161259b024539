#ifndef TFLM_STUBS_MAXIMUM_MINIMUM_H_
#define TFLM_STUBS_MAXIMUM_MINIMUM_H_

#include "tensorflow/lite/micro/stub_common.h"

namespace tflite {

TFLMRegistration Register_MAXIMUM();
TFLMRegistration Register_MAXIMUM_INT8();
TFLMRegistration Register_MINIMUM();
TFLMRegistration Register_MINIMUM_INT8();

}  // namespace tflite

#endif  // TFLM_STUBS_MAXIMUM_MINIMUM_H_
