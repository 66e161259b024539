#ifndef TFLM_STUBS_STUB_COMMON_H_
#define TFLM_STUBS_STUB_COMMON_H_

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };

struct TFLMRegistration {
  int builtin_code = 0;
};

#define TF_LITE_ENSURE_STATUS(a) \
  do {                           \
    const TfLiteStatus s = (a);  \
    if (s != kTfLiteOk) {        \
      return s;                  \
    }                            \
  } while (0)

#endif  // TFLM_STUBS_STUB_COMMON_H_
