// What a compiler has to know of TensorFlow Lite Micro's planner that is given a plan.
#ifndef TFLM_STUBS_NON_PERSISTENT_BUFFER_PLANNER_SHIM_H_
#define TFLM_STUBS_NON_PERSISTENT_BUFFER_PLANNER_SHIM_H_

#include "tensorflow/lite/micro/compatibility.h"
#include "tensorflow/lite/micro/memory_planner/memory_plan_struct.h"
#include "tensorflow/lite/micro/memory_planner/micro_memory_planner.h"

namespace tflite {

class NonPersistentMemoryPlannerShim : public MicroMemoryPlanner {
 public:
  explicit NonPersistentMemoryPlannerShim(const BufferPlan* plan);
  ~NonPersistentMemoryPlannerShim() override;
  TfLiteStatus AddBuffer(int size, int first, int last) override;

 private:
  const BufferPlan* plan_;

  TF_LITE_REMOVE_VIRTUAL_DELETE
};

}  // namespace tflite

#endif  // TFLM_STUBS_NON_PERSISTENT_BUFFER_PLANNER_SHIM_H_
