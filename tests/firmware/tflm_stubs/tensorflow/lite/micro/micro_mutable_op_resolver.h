// What a compiler has to know of TensorFlow Lite Micro's op resolver to check sources that use it: names and types.
#ifndef TFLM_STUBS_MICRO_MUTABLE_OP_RESOLVER_H_
#define TFLM_STUBS_MICRO_MUTABLE_OP_RESOLVER_H_

#include "tensorflow/lite/micro/micro_op_resolver.h"
#include "tensorflow/lite/micro/stub_common.h"

// Methods that take a registration, with a default; that take a pointer to one, with a default; that take nothing.
#define TFLM_STUB_REGISTRATION(X) \
    X(AddAbs) X(AddAdd) X(AddAddN) X(AddArgMax) X(AddArgMin) X(AddAssignVariable) X(AddAveragePool2D) \
    X(AddBatchMatMul) X(AddBatchToSpaceNd) X(AddBroadcastArgs) X(AddBroadcastTo) X(AddCallOnce) X(AddCast) \
    X(AddCeil) X(AddConcatenation) X(AddConv2D) X(AddCos) X(AddCumSum) X(AddDepthToSpace) \
    X(AddDepthwiseConv2D) X(AddDequantize) X(AddDiv) X(AddEmbeddingLookup) X(AddElu) X(AddEqual) X(AddExp) \
    X(AddExpandDims) X(AddFill) X(AddFloor) X(AddFloorDiv) X(AddFloorMod) X(AddFullyConnected) X(AddGather) \
    X(AddGatherNd) X(AddGreater) X(AddGreaterEqual) X(AddHardSwish) X(AddIf) X(AddL2Normalization) \
    X(AddL2Pool2D) X(AddLeakyRelu) X(AddLess) X(AddLessEqual) X(AddLog) X(AddLogicalAnd) X(AddLogicalNot) \
    X(AddLogicalOr) X(AddLogistic) X(AddLogSoftmax) X(AddMaximum) X(AddMaxPool2D) X(AddMirrorPad) X(AddMean) \
    X(AddMinimum) X(AddMul) X(AddNeg) X(AddNotEqual) X(AddPack) X(AddPad) X(AddPadV2) X(AddPrelu) \
    X(AddQuantize) X(AddReadVariable) X(AddReduceAll) X(AddReduceMax) X(AddReduceMin) X(AddRelu) X(AddRelu6) \
    X(AddReshape) X(AddResizeBilinear) X(AddReverseV2) X(AddRound) X(AddRsqrt) X(AddSelectV2) X(AddShape) \
    X(AddSin) X(AddSlice) X(AddSoftmax) X(AddSpaceToBatchNd) X(AddSpaceToDepth) X(AddSplit) X(AddSplitV) \
    X(AddSqueeze) X(AddSqrt) X(AddSquare) X(AddSquaredDifference) X(AddStridedSlice) X(AddSub) X(AddSum) \
    X(AddSvdf) X(AddTanh) X(AddTransposeConv) X(AddTranspose) X(AddUnpack) X(AddUnidirectionalSequenceLSTM) \
    X(AddVarHandle) X(AddWhile) X(AddZerosLike)

#define TFLM_STUB_POINTER(X) \
    X(AddIrfft) X(AddRfft)

#define TFLM_STUB_PLAIN(X) \
    X(AddCircularBuffer) X(AddDecode) X(AddDelay) X(AddDetectionPostprocess) X(AddDynamicUpdateSlice) \
    X(AddEnergy) X(AddEthosU) X(AddFftAutoScale) X(AddFilterBank) X(AddFilterBankLog) \
    X(AddFilterBankSquareRoot) X(AddFilterBankSpectralSubtraction) X(AddFramer) X(AddOverlapAdd) X(AddPCAN) \
    X(AddResizeNearestNeighbor) X(AddStacker) X(AddWindow)

namespace tflite {

template <unsigned int tOpCount>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
  static_assert(tOpCount > 0, "a resolver of nothing");

  const TFLMRegistration* FindOp(BuiltinOperator) const override { return nullptr; }
  TfLiteStatus AddCustom(const char*, const TFLMRegistration*) { return kTfLiteOk; }

#define X(name) \
  TfLiteStatus name(const TFLMRegistration& = TFLMRegistration()) { return kTfLiteOk; }
  TFLM_STUB_REGISTRATION(X)
#undef X
#define X(name) \
  TfLiteStatus name(const TFLMRegistration* = nullptr) { return kTfLiteOk; }
  TFLM_STUB_POINTER(X)
#undef X
#define X(name) \
  TfLiteStatus name() { return kTfLiteOk; }
  TFLM_STUB_PLAIN(X)
#undef X
};

}  // namespace tflite

#endif  // TFLM_STUBS_MICRO_MUTABLE_OP_RESOLVER_H_
