#ifndef TFLM_STUBS_MICRO_MEMORY_PLANNER_H_
#define TFLM_STUBS_MICRO_MEMORY_PLANNER_H_

#include "tensorflow/lite/micro/stub_common.h"

namespace tflite {

class MicroMemoryPlanner {
 public:
  virtual ~MicroMemoryPlanner() = default;
  virtual TfLiteStatus AddBuffer(int size, int first, int last) = 0;
  virtual TfLiteStatus AddBuffer(int size, int first, int last, int offset);
};

}  // namespace tflite

#endif  // TFLM_STUBS_MICRO_MEMORY_PLANNER_H_
