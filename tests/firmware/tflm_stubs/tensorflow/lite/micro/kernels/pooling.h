#ifndef TFLM_STUBS_POOLING_H_
#define TFLM_STUBS_POOLING_H_

#include "tensorflow/lite/micro/stub_common.h"

namespace tflite {

TFLMRegistration Register_AVERAGE_POOL_2D_INT16();
TFLMRegistration Register_AVERAGE_POOL_2D_INT8();
TFLMRegistration Register_MAX_POOL_2D_INT16();
TFLMRegistration Register_MAX_POOL_2D_INT8();

}  // namespace tflite

#endif  // TFLM_STUBS_POOLING_H_
