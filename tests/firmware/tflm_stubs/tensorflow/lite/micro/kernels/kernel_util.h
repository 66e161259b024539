#ifndef TFLM_STUBS_KERNEL_UTIL_H_
#define TFLM_STUBS_KERNEL_UTIL_H_

#include "tensorflow/lite/micro/stub_common.h"

namespace tflite {
namespace micro {

const TfLiteEvalTensor* GetEvalInput(const TfLiteContext* context, const TfLiteNode* node, int index);

}  // namespace micro
}  // namespace tflite

#endif  // TFLM_STUBS_KERNEL_UTIL_H_
