#ifndef TFLM_STUBS_MICRO_LOG_H_
#define TFLM_STUBS_MICRO_LOG_H_

void MicroPrintf(const char* format, ...);

#endif  // TFLM_STUBS_MICRO_LOG_H_
