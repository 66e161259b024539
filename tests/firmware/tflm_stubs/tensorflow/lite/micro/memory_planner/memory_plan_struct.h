// What a compiler has to know of TensorFlow Lite Micro's plans of buffers.
#ifndef TFLM_STUBS_MEMORY_PLAN_STRUCT_H_
#define TFLM_STUBS_MEMORY_PLAN_STRUCT_H_

#include <cstddef>
#include <cstdint>

namespace tflite {

struct BufferDescriptor {
  std::int32_t offset;
};

struct BufferPlan {
  std::int32_t buffer_count;
  BufferDescriptor buffer_plan_entries[1];
};

constexpr std::size_t SizeOfBufferPlan(std::int32_t count) {
  return sizeof(BufferPlan) + sizeof(BufferDescriptor) * static_cast<std::size_t>(count > 1 ? count - 1 : 0);
}

}  // namespace tflite

#endif  // TFLM_STUBS_MEMORY_PLAN_STRUCT_H_
