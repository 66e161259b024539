#ifndef TFLM_STUBS_PAD_H_
#define TFLM_STUBS_PAD_H_

#include "tensorflow/lite/micro/stub_common.h"

namespace tflite {

TFLMRegistration Register_PAD();
TFLMRegistration Register_PADV2();
TFLMRegistration Register_PAD_INT8();

}  // namespace tflite

#endif  // TFLM_STUBS_PAD_H_
