#ifndef TFLM_STUBS_SCHEMA_GENERATED_H_
#define TFLM_STUBS_SCHEMA_GENERATED_H_

#define TFLITE_SCHEMA_VERSION 3

namespace tflite {

class Model {
 public:
  unsigned int version() const;
};

const Model* GetModel(const void* buffer);

}  // namespace tflite

#endif  // TFLM_STUBS_SCHEMA_GENERATED_H_
