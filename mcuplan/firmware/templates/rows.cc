#include "@HEADER@"

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tensorflow/lite/micro/kernels/kernel_util.h"
#include "tensorflow/lite/micro/micro_log.h"

namespace {

// What the operator's options in the model are: little-endian integers.
struct Options {
  std::int32_t version, input, rows, columns, pixel_bytes, back, fill;
};

@SOURCE_TYPE@ source = nullptr;
void* source_user = nullptr;

int Within(int row, int rows) { return row < 0 ? 0 : row > rows ? rows : row; }

// The options lie in the model, where they stay: nothing of the arena is needed.
void* Init(TfLiteContext*, const char* buffer, std::size_t length) {
  return length == sizeof(Options) ? const_cast<char*>(buffer) : nullptr;
}

TfLiteStatus Prepare(TfLiteContext*, TfLiteNode* node) {
  return node->user_data == nullptr ? kTfLiteError : kTfLiteOk;
}

// Rows from where input 0 says (batch, row, column, channel), as many as the output has: those of the picture from the
// source, what lies above, below and beside it filled.
TfLiteStatus Invoke(TfLiteContext* context, TfLiteNode* node) {
  Options options;
  std::memcpy(&options, node->user_data, sizeof(options));
  const std::int32_t* begin = tflite::micro::GetTensorData<std::int32_t>(tflite::micro::GetEvalInput(context, node, 0));
  TfLiteEvalTensor* output = tflite::micro::GetEvalOutput(context, node, 0);
  std::int8_t* to = tflite::micro::GetTensorData<std::int8_t>(output);
  const int count = output->dims->data[1], wide = output->dims->data[2] * options.pixel_bytes;
  const int row = begin[1], left = -begin[2] * options.pixel_bytes, own = options.columns * options.pixel_bytes;
  if (options.version != 1 || left < 0 || left + own > wide) {
    MicroPrintf("@OPERATOR@: these rows are not of the picture");
    return kTfLiteError;
  }
  if (source == nullptr) {
    MicroPrintf("@OPERATOR@: no source of rows is set");
    return kTfLiteError;
  }
  const int first = Within(row, options.rows), last = Within(row + count, options.rows);
  if (own != wide || last - first != count) {
    std::memset(to, options.fill, static_cast<std::size_t>(count) * wide);
  }
  const int together = own == wide ? last - first : 1;  // rows that lie one behind the other
  for (int r = first; r < last; r += together) {
    if (!source(source_user, r, together, to + (r - row) * wide + left)) {
      MicroPrintf("@OPERATOR@: the source gave no row %d", r);
      return kTfLiteError;
    }
  }
  return kTfLiteOk;
}

}  // namespace

@FUNCTION@
