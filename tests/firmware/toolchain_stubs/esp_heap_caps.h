#ifndef TOOLCHAIN_STUBS_ESP_HEAP_CAPS_H_
#define TOOLCHAIN_STUBS_ESP_HEAP_CAPS_H_

#include <cstddef>
#include <cstdint>

#define MALLOC_CAP_8BIT (1 << 2)
#define MALLOC_CAP_SPIRAM (1 << 10)
#define MALLOC_CAP_INTERNAL (1 << 11)

extern "C" void* heap_caps_aligned_alloc(std::size_t alignment, std::size_t size, std::uint32_t caps);

#endif  // TOOLCHAIN_STUBS_ESP_HEAP_CAPS_H_
