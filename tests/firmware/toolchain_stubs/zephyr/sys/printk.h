#ifndef TOOLCHAIN_STUBS_PRINTK_H_
#define TOOLCHAIN_STUBS_PRINTK_H_

void printk(const char* format, ...);

#endif  // TOOLCHAIN_STUBS_PRINTK_H_
