#ifndef TFLM_STUBS_SVDF_H_
#define TFLM_STUBS_SVDF_H_

#include "tensorflow/lite/micro/stub_common.h"

namespace tflite {

TFLMRegistration Register_SVDF();
TFLMRegistration Register_SVDF_INT8();

}  // namespace tflite

#endif  // TFLM_STUBS_SVDF_H_
