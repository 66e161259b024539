// What a compiler has to know of Arduino's core; min, max and round are macros there on some boards.
#ifndef TOOLCHAIN_STUBS_ARDUINO_H_
#define TOOLCHAIN_STUBS_ARDUINO_H_

#define round(x) ((x) >= 0 ? (long)((x) + 0.5) : (long)((x)-0.5))
#define abs(x) ((x) > 0 ? (x) : -(x))

struct SerialPort {
  void begin(unsigned long baud);
  void println(const char* text);
  explicit operator bool() const;
};
extern SerialPort Serial;
unsigned long millis();

#endif  // TOOLCHAIN_STUBS_ARDUINO_H_
