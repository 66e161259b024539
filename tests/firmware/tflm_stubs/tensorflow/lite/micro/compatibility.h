// What a compiler has to know of TensorFlow Lite Micro's macros: objects of these classes are never deleted.
#ifndef TFLM_STUBS_COMPATIBILITY_H_
#define TFLM_STUBS_COMPATIBILITY_H_

#define TF_LITE_REMOVE_VIRTUAL_DELETE \
  void operator delete(void*) {}

#endif  // TFLM_STUBS_COMPATIBILITY_H_
