#ifndef TFLM_STUBS_KERNEL_UTIL_H_
#define TFLM_STUBS_KERNEL_UTIL_H_

#include "tensorflow/lite/micro/stub_common.h"

namespace tflite {
namespace micro {

const TfLiteEvalTensor* GetEvalInput(const TfLiteContext* context, const TfLiteNode* node, int index);
TfLiteEvalTensor* GetEvalOutput(const TfLiteContext* context, const TfLiteNode* node, int index);

template <typename T>
T* GetTensorData(TfLiteEvalTensor* tensor) {
  return reinterpret_cast<T*>(tensor->data.data);
}

template <typename T>
const T* GetTensorData(const TfLiteEvalTensor* tensor) {
  return reinterpret_cast<const T*>(tensor->data.data);
}

}  // namespace micro
}  // namespace tflite

#endif  // TFLM_STUBS_KERNEL_UTIL_H_
