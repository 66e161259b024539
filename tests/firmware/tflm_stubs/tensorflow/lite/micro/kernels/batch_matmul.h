#ifndef TFLM_STUBS_BATCH_MATMUL_H_
#define TFLM_STUBS_BATCH_MATMUL_H_

#include "tensorflow/lite/micro/stub_common.h"

namespace tflite {

TFLMRegistration Register_BATCH_MATMUL();
TFLMRegistration Register_BATCH_MATMUL_INT16();
TFLMRegistration Register_BATCH_MATMUL_INT8();

}  // namespace tflite

#endif  // TFLM_STUBS_BATCH_MATMUL_H_
