#ifndef TFLM_STUBS_FULLY_CONNECTED_H_
#define TFLM_STUBS_FULLY_CONNECTED_H_

#include "tensorflow/lite/micro/stub_common.h"

namespace tflite {

TFLMRegistration Register_FULLY_CONNECTED();
TFLMRegistration Register_FULLY_CONNECTED_INT16();
TFLMRegistration Register_FULLY_CONNECTED_INT4();
TFLMRegistration Register_FULLY_CONNECTED_INT8();

}  // namespace tflite

#endif  // TFLM_STUBS_FULLY_CONNECTED_H_
