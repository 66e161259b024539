// Runs TFLite models one after the other on an emulated Cortex-M4F (QEMU's mps2-an386) and prints the instructions of
// each operator's call. Models lie behind one another at 0x21000000: count, detail, then for each its size, 12 bytes of
// nothing and its bytes, padded to 16. Instructions are read from the board's 25 MHz counter under -icount shift=0, where
// one instruction is one nanosecond: in steps of 40. Output: "M index ok total arena" for a model, "E operator own all"
// for each call, `own` without what it calls.

#include <cstdint>
#include <cstdio>
#include <cstring>
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/micro_profiler_interface.h"
#include "tensorflow/lite/schema/schema_generated.h"
#include "tensorflow/lite/micro/debug_log.h"
extern "C" {
void DebugLog(const char* f, va_list a) { vprintf(f, a); }
int DebugVsnprintf(char* b, size_t n, const char* f, va_list a) { return vsnprintf(b, n, f, a); }
}
#define TICKS (*(volatile uint32_t*)0x40028018)
namespace tflite {
uint32_t ticks_per_second() { return 25000000; }
uint32_t GetCurrentTimeTicks() { return TICKS; }
void InitializeTarget() {}
}
struct Prof : tflite::MicroProfilerInterface {
  struct E { const char* tag; uint32_t t0; uint32_t inner; };
  static const int kMax = 20000;
  E stack[64]; int depth = 0;
  const char* tags[kMax]; uint32_t own[kMax]; uint32_t all[kMax]; int n = 0;
  uint32_t BeginEvent(const char* tag) override {
    stack[depth].tag = tag; stack[depth].inner = 0;
    int d = depth++;
    stack[d].t0 = TICKS;
    return d;
  }
  void EndEvent(uint32_t h) override {
    uint32_t t = TICKS;
    E& e = stack[h]; depth = h;
    uint32_t dt = t - e.t0;
    if (n < kMax) { tags[n] = e.tag; all[n] = dt; own[n] = dt - e.inner; n++; }
    if (h > 0) stack[h-1].inner += dt;
  }
};
alignas(16) static uint8_t arena[3200*1024];
alignas(16) static uint8_t place[512];
int main() {
  static Prof prof;
  const uint32_t* p = (const uint32_t*)0x21000000;
  uint32_t count = p[0], detail = p[1];
  const uint8_t* q = (const uint8_t*)0x21000010;
  static tflite::MicroMutableOpResolver<130> r;
#include "resolver.inc"
  for (uint32_t m = 0; m < count; m++) {
    uint32_t size = *(const uint32_t*)q;
    const tflite::Model* model = tflite::GetModel(q + 16);
    q += 16 + (size + 15) / 16 * 16;
    prof.n = prof.depth = 0;
    static_assert(sizeof(tflite::MicroInterpreter) <= 512, "");
    auto* in = new (place) tflite::MicroInterpreter(model, r, arena, sizeof arena, nullptr, &prof);
    if (in->AllocateTensors() != kTfLiteOk) { printf("M %u alloc\n", (unsigned)m); in->~MicroInterpreter(); continue; }
    for (size_t i = 0; i < in->inputs_size(); i++) {
      TfLiteTensor* t = in->input(i);
      uint32_t s = 12345;
      if (t->type == kTfLiteFloat32) for (size_t k = 0; k < t->bytes / 4; k++) { s = s*1664525u+1013904223u; t->data.f[k] = (int)((((s>>16)&1023)) - 512) / 512.0f; }
      else if (t->type == kTfLiteInt32) for (size_t k = 0; k < t->bytes / 4; k++) t->data.i32[k] = k & 1;
      else if (t->type == kTfLiteInt16) for (size_t k = 0; k < t->bytes / 2; k++) { s = s*1664525u+1013904223u; t->data.i16[k] = s>>16; }
      else for (size_t k = 0; k < t->bytes; k++) { s = s*1664525u+1013904223u; t->data.uint8[k] = s>>16; }
    }
    prof.n = prof.depth = 0;
    uint32_t t0 = TICKS;
    TfLiteStatus st = in->Invoke();
    uint32_t t1 = TICKS;
    printf("M %u %s %u %u\n", (unsigned)m, st == kTfLiteOk ? "ok" : "fail", (unsigned)((t1 - t0) * 40), (unsigned)in->arena_used_bytes());
    if (detail) for (int i = 0; i < prof.n; i++) printf("E %s %u %u\n", prof.tags[i], (unsigned)(prof.own[i]*40), (unsigned)(prof.all[i]*40));
    in->~MicroInterpreter();
  }
  printf("END\n");
  return 0;
}
