// Sources of rows that come or lie somewhere. Each has a function `Give` for Set@CAMEL@Rows; none is needed: any function
// of that kind will do, such as one that reads a camera's FIFO or decodes a picture line by line.

// A picture in memory that the processor reads, such as PSRAM or flash.
struct @CAMEL@RowsInMemory {
  const std::int8_t* picture;

  static bool Give(void* user, int first, int count, std::int8_t* to) {
    const auto& self = *static_cast<const @CAMEL@RowsInMemory*>(user);
    std::memcpy(to, self.picture + static_cast<std::size_t>(first) * k@CAMEL@RowBytes,
                static_cast<std::size_t>(count) * k@CAMEL@RowBytes);
    return true;
  }
};

// A picture in a file, from byte `begin` on; `file` is open for reading in binary.
struct @CAMEL@RowsInFile {
  std::FILE* file;
  long begin = 0;

  static bool Give(void* user, int first, int count, std::int8_t* to) {
    const auto& self = *static_cast<const @CAMEL@RowsInFile*>(user);
    const std::size_t bytes = static_cast<std::size_t>(count) * k@CAMEL@RowBytes;
    return std::fseek(self.file, self.begin + static_cast<long>(first) * k@CAMEL@RowBytes, SEEK_SET) == 0 &&
           std::fread(to, 1, bytes, self.file) == bytes;
  }
};

// Lines that come by themselves, as a camera's or a microphone's: `Line` is called for each, in an interrupt or a DMA's
// callback, once it is quantized; `Give` waits for those that it is asked for. The buffer holds the lines that come while
// those of the last call are worked on, and those that are asked for again (k@CAMEL@RowsBack). A line that finds no room
// ends Invoke with an error: then the lines come faster than they are worked on.
struct @CAMEL@RowsOfCamera {
  void (*wait)() = nullptr;  // such as WFI: called while a line is not there yet

  // A new picture: its first line is next. Not while Invoke runs.
  void Restart() {
    written = 0;
    used = 0;
    lost = false;
  }

  // Line `written` of the picture; false where it was lost, or no more belong to it.
  bool Line(const std::int8_t* line) {
    const int row = written;
    if (lost || row >= k@CAMEL@InputRows) return false;
    if (row - used >= k@CAMEL@BufferRows) {
      lost = true;
      return false;
    }
    std::memcpy(buffer[row % k@CAMEL@BufferRows], line, k@CAMEL@RowBytes);
    written = row + 1;  // after the bytes: an interrupt and the code that it interrupts see one order
    return true;
  }

  static bool Give(void* user, int first, int count, std::int8_t* to) {
    auto& self = *static_cast<@CAMEL@RowsOfCamera*>(user);
    if (first < self.used) return false;
    for (int row = first; row < first + count; ++row) {
      while (row >= self.written && !self.lost) {
        if (self.wait != nullptr) self.wait();
      }
      if (row >= self.written) return false;
      std::memcpy(to, self.buffer[row % k@CAMEL@BufferRows], k@CAMEL@RowBytes);
      to += k@CAMEL@RowBytes;
      if (row + 1 - k@CAMEL@RowsBack > self.used) self.used = row + 1 - k@CAMEL@RowsBack;
    }
    return true;
  }

 private:
  std::int8_t buffer[k@CAMEL@BufferRows][k@CAMEL@RowBytes];
  volatile int written = 0;
  volatile int used = 0;  // lines before this one are not asked for again
  volatile bool lost = false;
};
