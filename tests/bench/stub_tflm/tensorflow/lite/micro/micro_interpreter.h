/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of TFLite Micro's public interface that our adapter uses, for an interpreter that stands
 * in for it: it runs the four operators of the tests' network in order, whatever the model's file.
 */
#ifndef STUB_MICRO_INTERPRETER_H
#define STUB_MICRO_INTERPRETER_H

#include <cstddef>
#include <cstdint>

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };
struct TfLiteContext;
struct TfLiteNode;
struct TfLiteTensor {
  union {
    char *raw;
  } data;
};
struct TFLMRegistration {
  TfLiteStatus (*invoke)(TfLiteContext *, TfLiteNode *);
};

namespace tflite {

enum BuiltinOperator {
  BuiltinOperator_CONV_2D,
  BuiltinOperator_DEPTHWISE_CONV_2D,
  BuiltinOperator_FULLY_CONNECTED,
  BuiltinOperator_RESHAPE,
};

class MicroOpResolver {
 public:
  virtual const TFLMRegistration *FindOp(BuiltinOperator op) const = 0;
};

struct Model;

class MicroInterpreter {
 public:
  MicroInterpreter(
      const Model *model, const MicroOpResolver &resolver, uint8_t *arena, size_t size)
      : model_(model), resolver_(resolver), arena_(arena), size_(size) {}
  TfLiteStatus AllocateTensors();
  TfLiteStatus Invoke();
  TfLiteTensor *input(size_t) { return &input_; }
  TfLiteTensor *output(size_t) { return &output_; }
  size_t arena_used_bytes() const { return 1234; }

 private:
  const Model *model_;
  const MicroOpResolver &resolver_;
  uint8_t *arena_;
  size_t size_;
  TfLiteTensor input_, output_;
};

}  // namespace tflite

#endif
