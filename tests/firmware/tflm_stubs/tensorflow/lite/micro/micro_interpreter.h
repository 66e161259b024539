// What a compiler has to know of TensorFlow Lite Micro's interpreter to check sources that use it.
#ifndef TFLM_STUBS_MICRO_INTERPRETER_H_
#define TFLM_STUBS_MICRO_INTERPRETER_H_

#include <cstddef>
#include <cstdint>

#include "tensorflow/lite/micro/micro_allocator.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/micro_resource_variable.h"
#include "tensorflow/lite/schema/schema_generated.h"

enum TfLiteType {
  kTfLiteNoType = 0, kTfLiteFloat32 = 1, kTfLiteInt32 = 2, kTfLiteUInt8 = 3, kTfLiteInt64 = 4, kTfLiteString = 5,
  kTfLiteBool = 6, kTfLiteInt16 = 7, kTfLiteInt8 = 9, kTfLiteUInt16 = 17
};

struct TfLiteTensor {
  TfLiteType type;
  union {
    void* data;
    float* f;
  } data;
  std::size_t bytes;
};

namespace tflite {

class MicroInterpreter {
 public:
  template <unsigned int tOpCount>
  MicroInterpreter(const Model* model, const MicroMutableOpResolver<tOpCount>& resolver, MicroAllocator* allocator,
                   MicroResourceVariables* variables = nullptr);
  TfLiteStatus AllocateTensors();
  TfLiteStatus Invoke();
  TfLiteTensor* input(std::size_t index);
  TfLiteTensor* output(std::size_t index);
  std::size_t inputs_size() const;
  std::size_t outputs_size() const;
};

}  // namespace tflite

#endif  // TFLM_STUBS_MICRO_INTERPRETER_H_
