// Drives exported lean registrations of one convolution against a stand-in for TFLM: a kernel that asks for two arrays,
// as TFLM's do, and works them out (here: copies them from expected.inc). Prints the name of each check that failed.

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <initializer_list>

#include "lean.h"
#include "model.h"
#include "tensorflow/lite/micro/kernels/conv.h"
#include "tensorflow/lite/micro/kernels/kernel_util.h"
#include "tensorflow/lite/micro/micro_context.h"

#include "expected.inc"  // kFilter, kCount, kMultipliers, kShifts

void MicroPrintf(const char*, ...) {}

namespace {

alignas(16) std::uint8_t persistent[4096];
alignas(16) std::uint8_t temporary[4096];
std::size_t persistent_used, temporary_used, temporary_room, borrowed;
int prepared;
bool wrong, greedy, other_size, twice;
TfLiteEvalTensor filter;
TfLiteIntArray* dims;

void* Persistent(TfLiteContext*, std::size_t bytes) {
  void* found = persistent + persistent_used;
  persistent_used += (bytes + 15) / 16 * 16;
  return found;
}

class Context : public tflite::MicroContext {
 public:
  std::uint8_t* AllocateTempBuffer(std::size_t size, std::size_t) override {
    if (temporary_used + size > temporary_room) return nullptr;
    std::uint8_t* found = temporary + temporary_used;
    temporary_used += size;
    ++borrowed;
    return found;
  }
  void DeallocateTempBuffer(std::uint8_t*) override { --borrowed; }
};

struct OpData {
  tflite::OpDataConv reference;
  std::int32_t* copy;
};

void* KernelInit(TfLiteContext* context, const char*, std::size_t) {
  return context->AllocatePersistentBuffer(context, sizeof(OpData));
}

TfLiteStatus KernelPrepare(TfLiteContext* context, TfLiteNode* node) {
  ++prepared;
  auto* data = static_cast<OpData*>(node->user_data);
  const std::size_t bytes = sizeof(kMultipliers) + (other_size ? 4 : 0);
  auto* multipliers = static_cast<std::int32_t*>(context->AllocatePersistentBuffer(context, bytes));
  auto* shifts = static_cast<std::int32_t*>(context->AllocatePersistentBuffer(context, bytes));
  if (greedy) context->AllocatePersistentBuffer(context, 8);
  std::memcpy(multipliers, kMultipliers, sizeof kMultipliers);
  std::memcpy(shifts, kShifts, sizeof kShifts);
  if (wrong) shifts[kCount - 1] ^= 1;
  data->reference.per_channel_output_multiplier = multipliers;
  data->reference.per_channel_output_shift = shifts;
  if (twice) data->copy = shifts;
  return kTfLiteOk;
}

struct Resolver : tflite::MicroOpResolver {
  TFLMRegistration registration;
  const TFLMRegistration* FindOp(tflite::BuiltinOperator op) const override {
    return op == tflite::BuiltinOperator_CONV_2D ? &registration : nullptr;
  }
};

struct Outcome {
  TfLiteStatus status;
  OpData* data;
};

Outcome Prepared(const void* at, std::size_t room = sizeof temporary) {
  std::memset(persistent, 0xA5, sizeof persistent);
  persistent_used = temporary_used = borrowed = 0;
  temporary_room = room;
  prepared = 0;
  Resolver resolver;
  resolver.registration.init = KernelInit;
  resolver.registration.prepare = KernelPrepare;
  if (MakeModelLean(resolver) != kTfLiteOk || MakeModelLean(resolver) != kTfLiteOk) return {kTfLiteError, nullptr};
  Context micro;
  TfLiteContext context = TfLiteContext();
  context.impl_ = &micro;
  context.AllocatePersistentBuffer = Persistent;
  filter.data.data = const_cast<void*>(at);
  filter.dims = dims;
  TfLiteNode node = TfLiteNode();
  node.user_data = resolver.registration.init(&context, nullptr, 0);
  const TfLiteStatus status = resolver.registration.prepare(&context, &node);
  if (context.AllocatePersistentBuffer != Persistent) return {kTfLiteError, nullptr};
  return {status, static_cast<OpData*>(node.user_data)};
}

bool Within(const void* p, const std::uint8_t* area) {
  auto* byte = static_cast<const std::uint8_t*>(p);
  return byte >= area && byte < area + 4096;
}

void Expect(bool ok, const char* what) {
  if (!ok) std::printf("%s\n", what);
}

}  // namespace

namespace tflite {
namespace micro {
const TfLiteEvalTensor* GetEvalInput(const TfLiteContext*, const TfLiteNode*, int index) {
  return index == 1 ? &filter : nullptr;
}
}  // namespace micro
}  // namespace tflite

int main() {
  alignas(int) static unsigned char shape[sizeof(int) * 5];
  dims = reinterpret_cast<TfLiteIntArray*>(shape);
  const int sizes[5] = {4, kCount, 1, 1, 3};
  std::memcpy(shape, sizes, sizeof sizes);
  const unsigned char* right = model_tflite + kFilter;

  Outcome found = Prepared(right);
  const auto& data = found.data->reference;
  Expect(found.status == kTfLiteOk && prepared == 1, "prepares");
  Expect(std::memcmp(data.per_channel_output_multiplier, kMultipliers, sizeof kMultipliers) == 0, "multipliers");
  Expect(std::memcmp(data.per_channel_output_shift, kShifts, sizeof kShifts) == 0, "shifts");
  for (const std::int32_t* array : {data.per_channel_output_multiplier, data.per_channel_output_shift}) {
    Expect(!Within(array, persistent) && !Within(array, temporary), "arrays lie in flash");
    Expect(reinterpret_cast<std::uintptr_t>(array) % 16 == 0, "arrays are aligned");
  }
  Expect(persistent_used == (sizeof(OpData) + 15) / 16 * 16, "only operator data is allocated for good");
  Expect(borrowed == 0 && temporary_used == 2 * sizeof kMultipliers, "memory is lent and given back");

  wrong = true;
  Expect(Prepared(right).status == kTfLiteError, "a wrong number is refused");
  wrong = false;
  greedy = true;
  Expect(Prepared(right).status == kTfLiteError, "a kernel that keeps more is refused");
  greedy = false;
  other_size = true;
  Expect(Prepared(right).status == kTfLiteError, "a kernel that keeps other sizes is refused");
  other_size = false;
  twice = true;
  Expect(Prepared(right).status == kTfLiteError, "operator data with the address twice is refused");
  twice = false;
  Expect(Prepared(right + 16).status == kTfLiteError, "a filter at another place is refused");
  Expect(Prepared(right, 2 * sizeof kMultipliers - 1).status == kTfLiteError && prepared == 0, "too little memory");

  found = Prepared(nullptr);
  Expect(found.status == kTfLiteOk && Within(found.data->reference.per_channel_output_shift, persistent),
         "a filter that is worked out keeps its arrays in the arena");
  Expect(Prepared(right).status == kTfLiteOk, "prepares again");
  return 0;
}
