#ifndef TFLM_STUBS_MICRO_RESOURCE_VARIABLE_H_
#define TFLM_STUBS_MICRO_RESOURCE_VARIABLE_H_

#include "tensorflow/lite/micro/micro_allocator.h"

namespace tflite {

class MicroResourceVariables {
 public:
  static MicroResourceVariables* Create(MicroAllocator* allocator, int count);
};

}  // namespace tflite

#endif  // TFLM_STUBS_MICRO_RESOURCE_VARIABLE_H_
