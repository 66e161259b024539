#ifndef TFLM_STUBS_MICRO_MEMORY_PLANNER_H_
#define TFLM_STUBS_MICRO_MEMORY_PLANNER_H_

namespace tflite {

class MicroMemoryPlanner {
 public:
  virtual ~MicroMemoryPlanner() = default;
};

}  // namespace tflite

#endif  // TFLM_STUBS_MICRO_MEMORY_PLANNER_H_
