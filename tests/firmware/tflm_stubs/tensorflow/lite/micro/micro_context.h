#ifndef TFLM_STUBS_MICRO_CONTEXT_H_
#define TFLM_STUBS_MICRO_CONTEXT_H_

#include "tensorflow/lite/micro/stub_common.h"

namespace tflite {

class MicroContext {
 public:
  virtual uint8_t* AllocateTempBuffer(std::size_t size, std::size_t alignment) = 0;
  virtual void DeallocateTempBuffer(uint8_t* buffer) = 0;
  virtual ~MicroContext() {}
};

inline MicroContext* GetMicroContext(const TfLiteContext* context) {
  return reinterpret_cast<MicroContext*>(context->impl_);
}

}  // namespace tflite

#endif  // TFLM_STUBS_MICRO_CONTEXT_H_
