#ifndef TFLM_STUBS_MUL_H_
#define TFLM_STUBS_MUL_H_

#include "tensorflow/lite/micro/stub_common.h"

namespace tflite {

TFLMRegistration Register_MUL();
TFLMRegistration Register_MUL_INT8();

}  // namespace tflite

#endif  // TFLM_STUBS_MUL_H_
