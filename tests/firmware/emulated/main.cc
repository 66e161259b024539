// Firmware for QEMU's mps2-an386 (Cortex-M4F): allocates and runs exported models, and prints what came out.
//
// models.inc holds lines RUN(name, Camel, less, resources, seeds), includes.inc the models' headers. For each it prints
// "A name size ok used" or "A name size failed" for the arena to declare less so many bytes, "O name seed hash" of the
// outputs of two calls, and "T name ticks" of the last call: the board's counter at 25 MHz, which counts 40 instructions a
// tick under -icount shift=0. The arena has a guard at either end.

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "tensorflow/lite/micro/debug_log.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_resource_variable.h"
#include "tensorflow/lite/schema/schema_generated.h"

#include "includes.inc"

extern "C" {
void DebugLog(const char* format, va_list arguments) { std::vprintf(format, arguments); }
int DebugVsnprintf(char* buffer, std::size_t size, const char* format, va_list arguments) {
  return std::vsnprintf(buffer, size, format, arguments);
}
}

namespace {

constexpr std::size_t kGuard = 64;
volatile std::uint32_t* const kTicks = reinterpret_cast<volatile std::uint32_t*>(0x40028018);
alignas(16) std::uint8_t arena[3 * 1024 * 1024];

void Fill(tflite::MicroInterpreter& interpreter, std::uint32_t seed) {
  std::uint32_t state = seed * 12345;
  for (std::size_t i = 0; i < interpreter.inputs_size(); ++i) {
    TfLiteTensor* input = interpreter.input(i);
    const bool real = input->type == kTfLiteFloat32;
    for (std::size_t k = 0; k < (real ? input->bytes / 4 : input->bytes); ++k) {
      state = state * 1664525u + 1013904223u;
      if (real) {
        input->data.f[k] = (static_cast<int>(state >> 16 & 1023) - 512) / 512.0f;
      } else {
        input->data.uint8[k] = static_cast<std::uint8_t>(state >> 16);
      }
    }
  }
}

std::uint32_t Hashed(tflite::MicroInterpreter& interpreter, std::uint32_t hash) {
  for (std::size_t i = 0; i < interpreter.outputs_size(); ++i) {
    const TfLiteTensor* output = interpreter.output(i);
    for (std::size_t k = 0; k < output->bytes; ++k) hash = (hash ^ output->data.uint8[k]) * 16777619u;
  }
  return hash;
}

template <class Resolver>
void Run(const char* name, const unsigned char* model, std::size_t size, TfLiteStatus (*add)(Resolver&), int resources,
         int seeds) {
  std::memset(arena, 0xA5, size + 2 * kGuard);
  std::uint8_t* const begin = arena + kGuard;
  Resolver resolver;
  if (add(resolver) != kTfLiteOk) {
    std::printf("R %s not registered\n", name);
    return;
  }
  auto* allocator = tflite::MicroAllocator::Create(begin, size);
  auto* variables = resources ? tflite::MicroResourceVariables::Create(allocator, resources) : nullptr;
  tflite::MicroInterpreter interpreter(tflite::GetModel(model), resolver, allocator, variables);
  if (interpreter.AllocateTensors() != kTfLiteOk) {
    std::printf("A %s %u failed\n", name, static_cast<unsigned>(size));
    return;
  }
  std::uint32_t ticks = 0;
  for (int seed = 1; seed <= seeds; ++seed) {
    std::uint32_t hash = 2166136261u;
    for (int call = 0; call < 2; ++call) {
      Fill(interpreter, static_cast<std::uint32_t>(seed));
      const std::uint32_t begun = *kTicks;
      if (interpreter.Invoke() != kTfLiteOk) std::printf("I %s failed\n", name);
      ticks = *kTicks - begun;
      hash = Hashed(interpreter, hash);
    }
    std::printf("O %s %d %08x\n", name, seed, static_cast<unsigned>(hash));
  }
  if (seeds) std::printf("T %s %u\n", name, static_cast<unsigned>(ticks));
  std::printf("A %s %u ok %u\n", name, static_cast<unsigned>(size), static_cast<unsigned>(interpreter.arena_used_bytes()));
  for (std::size_t i = 0; i < kGuard; ++i) {
    if (arena[i] != 0xA5 || begin[size + i] != 0xA5) std::printf("G %s wrote outside the arena\n", name);
  }
}

}  // namespace

#define RUN(name, Camel, less, resources, seeds) \
  Run<Camel##OpResolver>(#name, name##_tflite, k##Camel##ArenaBytes - less, Register##Camel##Ops, resources, seeds);

int main() {
#include "models.inc"
  std::printf("END\n");
  return 0;
}
