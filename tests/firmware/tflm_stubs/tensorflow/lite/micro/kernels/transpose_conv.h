#ifndef TFLM_STUBS_TRANSPOSE_CONV_H_
#define TFLM_STUBS_TRANSPOSE_CONV_H_

#include "tensorflow/lite/micro/stub_common.h"

namespace tflite {

TFLMRegistration Register_TRANSPOSE_CONV();
TFLMRegistration Register_TRANSPOSE_CONV_INT8();

}  // namespace tflite

#endif  // TFLM_STUBS_TRANSPOSE_CONV_H_
