#include "@HEADER@"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "@MODEL_HEADER@"
@INCLUDES@

namespace {

@ASSERTS@
// What operators keep whose filter begins at byte `filter` of the model and has `count` filters: `parts` arrays of `count`
// numbers each, one behind the other, each aligned to 16 bytes as TFLM's memory is. Without arrays the kernel asks for
// the memory and never reads it.
struct Kept {
  std::uint32_t filter;
  std::uint32_t count : 24;
  std::uint32_t parts : 8;
  const std::int32_t* arrays;
};

@ARRAYS@
@TABLES@
// One operator of TFLM and what stands around it.
struct Operator {
  const Kept* kept;
  std::size_t entries;
  int filter;  // which operand
  int axis;    // which dimension of it counts the filters
  void* (*init)(TfLiteContext*, const char*, std::size_t);
  TfLiteStatus (*prepare)(TfLiteContext*, TfLiteNode*);
  std::size_t data_bytes;
};

// What is lent to the operator at work; TFLM initialises and prepares one after the other.
struct Loan {
  void* (*allocate)(TfLiteContext*, std::size_t);
  std::uint8_t* memory;
  std::size_t bytes;  // of each array
  std::size_t parts;
  std::size_t lent;
  bool other;  // the kernel asked for something else
};

const std::uint8_t* model_begin = nullptr;
Loan loan = {};

// Operator data is cleared, so that no word of it holds an address by chance.
void* Clear(TfLiteContext* context, std::size_t bytes) {
  void* data = loan.allocate(context, bytes);
  loan.bytes = bytes;
  return data == nullptr ? nullptr : std::memset(data, 0, bytes);
}

void* Init(TfLiteContext* context, const char* buffer, std::size_t length, Operator& op) {
  loan = {context->AllocatePersistentBuffer, nullptr, 0, 0, 0, false};
  context->AllocatePersistentBuffer = Clear;
  void* data = op.init(context, buffer, length);
  context->AllocatePersistentBuffer = loan.allocate;
  op.data_bytes = loan.bytes;
  return data;
}

@LENDING@
void* Lend(TfLiteContext* context, std::size_t bytes) {
  if (loan.lent < loan.parts && bytes == loan.bytes) {
    return loan.memory + loan.bytes * loan.lent++;
  }
  loan.other = true;
  return loan.allocate(context, bytes);
}

const std::int32_t* Array(const Kept& kept, std::size_t part) {
  return kept.arrays == nullptr ? nullptr : kept.arrays + part * ((kept.count + 3) / 4 * 4);
}

bool Same(const Kept& kept) {
  for (std::size_t part = 0; kept.arrays != nullptr && part < loan.lent; ++part) {
    if (std::memcmp(Array(kept, part), loan.memory + part * loan.bytes, loan.bytes) != 0) return false;
  }
  return true;
}

bool Has(const Kept& kept, std::uintptr_t filter, std::size_t count) {
  return kept.filter == filter && kept.count == count;
}

// Exactly one word of the operator's data holds the lent address: from now on it leads to flash.
bool Move(void* data, std::size_t bytes, const void* lent, const void* kept) {
  std::uint8_t* found = nullptr;
  for (std::size_t i = 0; i + sizeof lent <= bytes; i += sizeof lent) {
    std::uint8_t* word = static_cast<std::uint8_t*>(data) + i;
    if (std::memcmp(word, &lent, sizeof lent) == 0) {
      if (found != nullptr) return false;
      found = word;
    }
  }
  if (found == nullptr) return false;
  std::memcpy(found, &kept, sizeof kept);
  return true;
}

TfLiteStatus Settle(void* data, const Operator& op, std::uintptr_t filter, std::size_t count) {
  for (std::size_t i = 0; i < op.entries; ++i) {
    const Kept& kept = op.kept[i];
    if (!Has(kept, filter, count) || kept.parts != loan.lent || loan.other || !Same(kept)) continue;
    for (std::size_t part = 0; part < loan.lent; ++part) {
      if (!Move(data, op.data_bytes, loan.memory + part * loan.bytes, Array(kept, part))) {
        MicroPrintf("Lean: the operator's data is not that of the TFLM it was made for");
        return kTfLiteError;
      }
    }
    return kTfLiteOk;
  }
  MicroPrintf("Lean: what TFLM worked out for the filter at byte %u is not what was made for this model",
              static_cast<unsigned>(filter));
  return kTfLiteError;
}

TfLiteStatus Prepare(TfLiteContext* context, TfLiteNode* node, const Operator& op) {
  const TfLiteEvalTensor* tensor = ::tflite::micro::GetEvalInput(context, node, op.filter);
  if (tensor == nullptr || tensor->data.data == nullptr || tensor->dims->size <= op.axis) {
    return op.prepare(context, node);  // a filter that the model works out: its arrays stay in the arena
  }
  const std::uintptr_t filter =
      reinterpret_cast<std::uintptr_t>(tensor->data.data) - reinterpret_cast<std::uintptr_t>(model_begin);
  const std::size_t count = static_cast<std::size_t>(tensor->dims->data[op.axis]);
  loan = {context->AllocatePersistentBuffer, nullptr, count * sizeof(std::int32_t), 0, 0, false};
  for (std::size_t i = 0; i < op.entries; ++i) {
    if (Has(op.kept[i], filter, count) && op.kept[i].parts > loan.parts) loan.parts = op.kept[i].parts;
  }
  if (loan.parts != 0) {
    loan.memory = Borrow(context, loan.parts * loan.bytes);
    if (loan.memory == nullptr) return kTfLiteError;
  }
  context->AllocatePersistentBuffer = Lend;
  TfLiteStatus status = op.prepare(context, node);
  context->AllocatePersistentBuffer = loan.allocate;
  if (status == kTfLiteOk && (loan.parts != 0 || loan.other)) {
    status = Settle(node->user_data, op, filter, count);
  }
  if (loan.memory != nullptr) Return(context, loan.memory);
  return status;
}

TfLiteStatus Wrap(::tflite::MicroOpResolver& resolver, ::tflite::BuiltinOperator code, Operator& op,
                  void* (*init)(TfLiteContext*, const char*, std::size_t),
                  TfLiteStatus (*prepare)(TfLiteContext*, TfLiteNode*)) {
  // The resolver is not const, and holds its registrations itself.
  auto* registration = const_cast<@REGISTRATION@*>(resolver.FindOp(code));
  if (registration == nullptr || registration->init == nullptr || registration->prepare == nullptr) {
    MicroPrintf("Lean: operator %d is not registered, or not TFLM's own", static_cast<int>(code));
    return kTfLiteError;
  }
  if (registration->prepare == prepare) return kTfLiteOk;
  op.init = registration->init;
  op.prepare = registration->prepare;
  registration->init = init;
  registration->prepare = prepare;
  return kTfLiteOk;
}

@OPERATORS@
}  // namespace

@FUNCTION@
