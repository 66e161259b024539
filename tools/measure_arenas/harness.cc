// Measures TFLM's arena on an emulated Cortex-M4F (QEMU's mps2-an386), linked with the TFLM library in question. Models lie
// behind one another at 0x21000000: their count, 12 bytes of nothing, then for each its size, its resource variables, the
// arena that it is said to need, 4 bytes of nothing and its bytes, padded to 16. Output: "M index ok used declare crc", or
// "M index refused": arena_used_bytes() after Invoke; the smallest arena, in steps of 16, that AllocateTensors accepts
// (first the one said and the one before are tried, as tiny arenas may hang a board); CRC32 of all outputs.

#include <cstdint>
#include <cstdio>
#include <new>

#include "tensorflow/lite/micro/micro_allocator.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/micro_resource_variable.h"
#include "tensorflow/lite/schema/schema_generated.h"

extern "C" {
void DebugLog(const char*, va_list) {}
int DebugVsnprintf(char* buffer, size_t size, const char* format, va_list args) {
  return vsnprintf(buffer, size, format, args);
}
}

namespace {
using Resolver = tflite::MicroMutableOpResolver<150>;
alignas(16) uint8_t arena[3200 * 1024];
alignas(16) uint8_t place[sizeof(tflite::MicroInterpreter)];

tflite::MicroInterpreter* Make(const uint8_t* model, const Resolver& resolver, uint32_t variables, uint32_t bytes) {
  tflite::MicroAllocator* allocator = tflite::MicroAllocator::Create(arena, bytes);
  if (allocator == nullptr) return nullptr;
  tflite::MicroResourceVariables* kept =
      variables ? tflite::MicroResourceVariables::Create(allocator, variables) : nullptr;
  return new (place) tflite::MicroInterpreter(tflite::GetModel(model), resolver, allocator, kept);
}

void Fill(TfLiteTensor* t) {
  uint32_t s = 12345;
  auto next = [&s] { return (s = s * 1664525u + 1013904223u) >> 16; };
  for (size_t i = 0; t->type == kTfLiteFloat32 && i < t->bytes / 4; i++) t->data.f[i] = ((int)(next() & 1023) - 512) / 512.0f;
  for (size_t i = 0; t->type == kTfLiteInt32 && i < t->bytes / 4; i++) t->data.i32[i] = i & 1;
  for (size_t i = 0; t->type == kTfLiteInt64 && i < t->bytes / 8; i++) t->data.i64[i] = i & 1;
  for (size_t i = 0; t->type == kTfLiteBool && i < t->bytes; i++) t->data.uint8[i] = i & 1;
  for (size_t i = 0; t->type == kTfLiteInt16 && i < t->bytes / 2; i++) t->data.i16[i] = next();
  for (size_t i = 0; (t->type == kTfLiteInt8 || t->type == kTfLiteUInt8) && i < t->bytes; i++) t->data.uint8[i] = next();
}

uint32_t Crc(tflite::MicroInterpreter* run) {
  uint32_t crc = ~0u;
  for (size_t i = 0; i < run->outputs_size(); i++)
    for (size_t k = 0; k < run->output(i)->bytes; k++) {
      crc ^= run->output(i)->data.uint8[k];
      for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
  return ~crc;
}
}  // namespace

int main() {
  const uint32_t count = *(const uint32_t*)0x21000000;
  const uint8_t* at = (const uint8_t*)0x21000010;
  static Resolver* resolver;
  Resolver all;
  resolver = &all;
#define r (*resolver)
#include "resolver.inc"
#undef r
  for (uint32_t m = 0; m < count; m++) {
    const uint32_t* head = (const uint32_t*)at;
    const uint8_t* model = at + 16;
    at += 16 + (head[0] + 15) / 16 * 16;
    tflite::MicroInterpreter* run = Make(model, *resolver, head[1], sizeof arena);
    if (run->AllocateTensors() != kTfLiteOk) {
      printf("M %u refused\n", (unsigned)m);
      continue;
    }
    for (size_t i = 0; i < run->inputs_size(); i++) Fill(run->input(i));
    const bool ok = run->Invoke() == kTfLiteOk;
    const uint32_t crc = Crc(run), used = run->arena_used_bytes();
    auto works = [&](uint32_t bytes) {
      tflite::MicroInterpreter* one = Make(model, *resolver, head[1], bytes);
      return one != nullptr && one->AllocateTensors() == kTfLiteOk;
    };
    uint32_t fails = used / 16 * 16 - 32, enough = used / 16 * 16 + 16384;
    if (head[2] && works(head[2])) enough = head[2];
    if (head[2] && !works(head[2] - 16)) fails = head[2] - 16;
    while (enough - fails > 16) {
      const uint32_t middle = (fails + enough) / 32 * 16;
      (works(middle) ? enough : fails) = middle;
    }
    printf("M %u %s %u %u %08x\n", (unsigned)m, ok ? "ok" : "failed", (unsigned)used, (unsigned)enough, (unsigned)crc);
  }
  printf("END\n");
  return 0;
}
