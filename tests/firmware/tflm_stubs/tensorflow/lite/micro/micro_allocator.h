// What a compiler has to know of TensorFlow Lite Micro's allocator to check sources that use it.
#ifndef TFLM_STUBS_MICRO_ALLOCATOR_H_
#define TFLM_STUBS_MICRO_ALLOCATOR_H_

#include <cstddef>
#include <cstdint>

#include "tensorflow/lite/micro/memory_planner/micro_memory_planner.h"
#include "tensorflow/lite/micro/stub_common.h"

namespace tflite {

class MicroAllocator {
 public:
  static MicroAllocator* Create(std::uint8_t* arena, std::size_t bytes);
  static MicroAllocator* Create(std::uint8_t* arena, std::size_t bytes, MicroMemoryPlanner* planner);
  static MicroAllocator* Create(std::uint8_t* persistent, std::size_t persistent_bytes, std::uint8_t* other,
                                std::size_t other_bytes);
  std::size_t used_bytes() const;
};

}  // namespace tflite

#endif  // TFLM_STUBS_MICRO_ALLOCATOR_H_
