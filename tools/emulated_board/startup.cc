// Start-up of QEMU's mps2-an386 (Cortex-M4F) for every firmware that runs on it: initial values to RAM, then main, whose
// return value ends the emulator. A fault prints FAULT and ends it, too. link.ld lays the firmware out.

#include <cstdint>
#include <cstdio>
#include <cstdlib>

extern "C" {
extern std::uint32_t _sidata, _sdata, _edata, _sbss, _ebss, _estack;
void* __dso_handle = nullptr;
void initialise_monitor_handles(void);
void Reset_Handler(void);
int main(void);
static void Fault(void) {
  std::printf("FAULT\n");
  std::exit(3);
}
__attribute__((section(".vectors"), used)) void (*const vectors[16])(void) = {
    reinterpret_cast<void (*)(void)>(&_estack), Reset_Handler, Fault, Fault, Fault, Fault, Fault};
void _init(void) {}
void _fini(void) {}
void Reset_Handler(void) {
  *reinterpret_cast<volatile std::uint32_t*>(0xE000ED88) |= 0xF << 20;  // the FPU
  __asm volatile("dsb; isb");
  std::uint32_t *from = &_sidata, *to = &_sdata;
  while (to < &_edata) *to++ = *from++;
  for (to = &_sbss; to < &_ebss;) *to++ = 0;
  initialise_monitor_handles();
  std::exit(main());
}
}
