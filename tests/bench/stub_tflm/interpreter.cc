/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that spin for a known number of rounds, and then count up every output by one.
 */
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

#ifndef STATUS
#define STATUS kTfLiteOk
#endif

static uint8_t *outputs;

template <int rounds>
static TfLiteStatus spin(TfLiteContext *, TfLiteNode *) {
  for (int i = 0; i < rounds; i++) {
    __asm__ volatile("");
  }
  for (int i = 0; i < 10; i++) {
    outputs[i]++;
  }
  return kTfLiteOk;
}

namespace tflite {

TFLMRegistration Register_CONV_2D() { return {spin<1000>}; }
TFLMRegistration Register_DEPTHWISE_CONV_2D() { return {spin<2000>}; }
TFLMRegistration Register_FULLY_CONNECTED() { return {nullptr}; }
TFLMRegistration Register_FULLY_CONNECTED_INT8() { return {spin<500>}; }
TFLMRegistration Register_RESHAPE() { return {spin<10>}; }

TfLiteStatus MicroInterpreter::AllocateTensors() {
  input_.data.raw = reinterpret_cast<char *>(arena_);
  output_.data.raw = reinterpret_cast<char *>(arena_ + 400);
  /* The schema's mark stands behind the first offset of a file. */
  const bool marked = reinterpret_cast<const char *>(model_)[4] == 'T';
  return size_ < 1234 || !marked ? kTfLiteError : STATUS;
}

TfLiteStatus MicroInterpreter::Invoke() {
  outputs = arena_ + 400;
  for (int i = 0; i < 10; i++) {
    outputs[i] = arena_[i];
  }
  const BuiltinOperator order[] = {BuiltinOperator_CONV_2D, BuiltinOperator_DEPTHWISE_CONV_2D,
                                   BuiltinOperator_RESHAPE, BuiltinOperator_FULLY_CONNECTED};
  for (BuiltinOperator op : order) {
    if (resolver_.FindOp(op)->invoke(nullptr, nullptr) != kTfLiteOk) {
      return kTfLiteError;
    }
  }
  return kTfLiteOk;
}

}  // namespace tflite
