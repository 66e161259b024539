#ifndef TFLM_STUBS_STUB_COMMON_H_
#define TFLM_STUBS_STUB_COMMON_H_

#include <cstddef>
#include <cstdint>

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };

struct TfLiteIntArray {
  int size;
  int data[4];
};

union TfLitePtrUnion {
  void* data;
};

struct TfLiteEvalTensor {
  TfLitePtrUnion data;
  TfLiteIntArray* dims;
};

struct TfLiteNode {
  TfLiteIntArray* inputs;
  TfLiteIntArray* outputs;
  void* user_data;
};

struct TfLiteContext {
  void* impl_;
  void* (*AllocatePersistentBuffer)(TfLiteContext* context, std::size_t bytes);
};

struct TFLMRegistration {
  void* (*init)(TfLiteContext* context, const char* buffer, std::size_t length) = nullptr;
  TfLiteStatus (*prepare)(TfLiteContext* context, TfLiteNode* node) = nullptr;
  TfLiteStatus (*invoke)(TfLiteContext* context, TfLiteNode* node) = nullptr;
  int builtin_code = 0;
};

using TfLiteRegistration = TFLMRegistration;  // as TFLM of 2023 calls it

#define TF_LITE_ENSURE_STATUS(a) \
  do {                           \
    const TfLiteStatus s = (a);  \
    if (s != kTfLiteOk) {        \
      return s;                  \
    }                            \
  } while (0)

#endif  // TFLM_STUBS_STUB_COMMON_H_
