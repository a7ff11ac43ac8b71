/* SPDX-License-Identifier: Apache-2.0
 *
 * A resolver with the names of TFLite Micro's; see micro_interpreter.h.
 */
#ifndef STUB_MICRO_MUTABLE_OP_RESOLVER_H
#define STUB_MICRO_MUTABLE_OP_RESOLVER_H

#include "tensorflow/lite/micro/micro_interpreter.h"

namespace tflite {

TFLMRegistration Register_CONV_2D();
TFLMRegistration Register_DEPTHWISE_CONV_2D();
TFLMRegistration Register_FULLY_CONNECTED();
TFLMRegistration Register_FULLY_CONNECTED_INT8();
TFLMRegistration Register_RESHAPE();

template <unsigned int count>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
  const TFLMRegistration *FindOp(BuiltinOperator op) const override {
    for (unsigned int i = 0; i < used_; i++) {
      if (kinds_[i] == op) {
        return &found_[i];
      }
    }
    return nullptr;
  }
  TfLiteStatus AddConv2D() { return add(BuiltinOperator_CONV_2D, Register_CONV_2D()); }
  TfLiteStatus AddDepthwiseConv2D() {
    return add(BuiltinOperator_DEPTHWISE_CONV_2D, Register_DEPTHWISE_CONV_2D());
  }
  TfLiteStatus AddFullyConnected(const TFLMRegistration &given = Register_FULLY_CONNECTED()) {
    return add(BuiltinOperator_FULLY_CONNECTED, given);
  }
  TfLiteStatus AddReshape() { return add(BuiltinOperator_RESHAPE, Register_RESHAPE()); }

 private:
  TfLiteStatus add(BuiltinOperator op, const TFLMRegistration &given) {
    if (used_ == count) {
      return kTfLiteError;
    }
    kinds_[used_] = op;
    found_[used_++] = given;
    return kTfLiteOk;
  }
  BuiltinOperator kinds_[count];
  TFLMRegistration found_[count];
  unsigned int used_ = 0;
};

}  // namespace tflite

#endif
