#ifndef TFLM_STUBS_ADD_H_
#define TFLM_STUBS_ADD_H_

#include "tensorflow/lite/micro/stub_common.h"

namespace tflite {

TFLMRegistration Register_ADD();
TFLMRegistration Register_ADD_INT16();
TFLMRegistration Register_ADD_INT8();

}  // namespace tflite

#endif  // TFLM_STUBS_ADD_H_
