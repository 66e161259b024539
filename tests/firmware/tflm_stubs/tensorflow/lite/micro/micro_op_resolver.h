#ifndef TFLM_STUBS_MICRO_OP_RESOLVER_H_
#define TFLM_STUBS_MICRO_OP_RESOLVER_H_

#include "tensorflow/lite/micro/stub_common.h"

namespace tflite {

enum BuiltinOperator : int8_t {
  BuiltinOperator_CONV_2D = 3,
  BuiltinOperator_DEPTHWISE_CONV_2D = 4,
  BuiltinOperator_FULLY_CONNECTED = 9,
  BuiltinOperator_SVDF = 27,
  BuiltinOperator_UNIDIRECTIONAL_SEQUENCE_LSTM = 44,
  BuiltinOperator_TRANSPOSE_CONV = 67,
};

class MicroOpResolver {
 public:
  virtual const TFLMRegistration* FindOp(BuiltinOperator op) const = 0;
  virtual ~MicroOpResolver() {}
};

}  // namespace tflite

#endif  // TFLM_STUBS_MICRO_OP_RESOLVER_H_
