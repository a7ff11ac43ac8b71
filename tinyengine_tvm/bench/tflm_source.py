# SPDX-License-Identifier: Apache-2.0
"""The C++ around TFLite Micro's interpreter for one model, and the model's file as an object."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import jinja2

from ..boards.artifact import Port
from ..importers.tflite_operators import Operator
from .program import ARENA, NAME

ARENA_BYTES = 2 << 20
"""Larger than any network's: what counts is what the interpreter says it uses."""
USED = "tinyengine_arena_used"
"""The output in which the adapter says so."""
INT8_ALONE = {
    **dict.fromkeys(("ADD", "AVERAGE_POOL_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")),
    **dict.fromkeys(("MAXIMUM", "MAX_POOL_2D", "MINIMUM", "MUL", "SOFTMAX")),
    "PAD": "tensorflow/lite/micro/kernels/pad.h",
    "TRANSPOSE": "tensorflow/lite/micro/kernels/transpose.h",
}
"""Operators that may have a kernel for int8 alone, and the header that declares it; None: one that
the resolver includes."""
BEGIN, INVOKE = "te_begin_layer_", "te_invoke_marked"
"""What functions of the profiling build alone have in their names."""
METHODS = {
    "ABS": "Abs",
    "ADD": "Add",
    "AVERAGE_POOL_2D": "AveragePool2D",
    "CAST": "Cast",
    "CONCATENATION": "Concatenation",
    "CONV_2D": "Conv2D",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2D",
    "DEQUANTIZE": "Dequantize",
    "DIV": "Div",
    "ELU": "Elu",
    "EXP": "Exp",
    "EXPAND_DIMS": "ExpandDims",
    "FULLY_CONNECTED": "FullyConnected",
    "HARD_SWISH": "HardSwish",
    "LEAKY_RELU": "LeakyRelu",
    "LOGISTIC": "Logistic",
    "MAXIMUM": "Maximum",
    "MAX_POOL_2D": "MaxPool2D",
    "MEAN": "Mean",
    "MINIMUM": "Minimum",
    "MUL": "Mul",
    "NEG": "Neg",
    "PACK": "Pack",
    "PAD": "Pad",
    "PADV2": "PadV2",
    "PRELU": "Prelu",
    "QUANTIZE": "Quantize",
    "RELU": "Relu",
    "RELU6": "Relu6",
    "RESHAPE": "Reshape",
    "RESIZE_BILINEAR": "ResizeBilinear",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighbor",
    "SLICE": "Slice",
    "SOFTMAX": "Softmax",
    "SPLIT": "Split",
    "SQUEEZE": "Squeeze",
    "STRIDED_SLICE": "StridedSlice",
    "SUB": "Sub",
    "SUM": "Sum",
    "TANH": "Tanh",
    "TRANSPOSE": "Transpose",
    "UNPACK": "Unpack",
}
"""An operator of the schema to the method MicroMutableOpResolver::Add... that brings its kernel."""
_SOURCE = jinja2.Template(
    """\
/* The network in TFLite Micro's interpreter. */
#include <new>

#include "model.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"
{% for header in headers %}
#include "{{ header }}"
{% endfor %}

extern "C" {
extern const uint8_t tvmgen_{{ name }}_model[];
alignas(16) uint8_t {{ arena }}[{{ arena_bytes }}];
}

namespace {

using Operators = tflite::MicroMutableOpResolver<{{ kinds | length }}>;

#ifdef TINYENGINE_LAYER
/* The profiling build: every kernel is called through a function that begins a layer. */
int next_layer;
{% for layer in range(layers) %}
__attribute__((noinline)) void {{ begin }}{{ layer }}() { TINYENGINE_LAYER({{ layer }}); }
{% endfor %}
void (*const begin_layer[])() = {
{% for layer in range(layers) %}
    {{ begin }}{{ layer }},
{% endfor %}
};
using Invoke = TfLiteStatus (*)(TfLiteContext *, TfLiteNode *);
Invoke original[{{ kinds | length }}];

template <int kind>
__attribute__((noinline)) TfLiteStatus {{ invoke }}(TfLiteContext *context, TfLiteNode *node) {
  begin_layer[next_layer++]();
  return original[kind](context, node);
}

class Resolver : public Operators {
 public:
  const TFLMRegistration *FindOp(tflite::BuiltinOperator op) const override {
    const TFLMRegistration *found = Operators::FindOp(op);
    static TFLMRegistration marked[{{ kinds | length }}];
{% for kind in kinds %}
    if (found != nullptr && op == tflite::BuiltinOperator_{{ kind }}) {
      original[{{ loop.index0 }}] = found->invoke;
      marked[{{ loop.index0 }}] = *found;
      marked[{{ loop.index0 }}].invoke = {{ invoke }}<{{ loop.index0 }}>;
      return &marked[{{ loop.index0 }}];
    }
{% endfor %}
    return found;
  }
};
#else
using Resolver = Operators;
#endif

/* Not static objects: nobody runs constructors and destructors here. */
alignas(Resolver) uint8_t resolver_place[sizeof(Resolver)];
alignas(tflite::MicroInterpreter) uint8_t interpreter_place[sizeof(tflite::MicroInterpreter)];
tflite::MicroInterpreter *interpreter;
char *const nowhere = reinterpret_cast<char *>({{ arena }});
int32_t arena_used;
bool failed;

void set_up() {
  if (interpreter != nullptr) {
    return;
  }
  Resolver *resolver = new (resolver_place) Resolver;
{% for method in methods %}
  failed |= resolver->Add{{ method }} != kTfLiteOk;
{% endfor %}
  interpreter = new (interpreter_place) tflite::MicroInterpreter(
      tflite::GetModel(tvmgen_{{ name }}_model), *resolver, {{ arena }}, sizeof {{ arena }});
  failed |= interpreter->AllocateTensors() != kTfLiteOk;
  arena_used = static_cast<int32_t>(interpreter->arena_used_bytes());
}

}  // namespace

extern "C" {

/* What a check that fails ends in; newlib's brings signals and a heap along. */
[[noreturn]] void abort() { __builtin_trap(); }

/* After a failure the tensors are nowhere; the run then says so. */
struct tvmgen_{{ name }}_inputs tvmgen_{{ name }}_map_inputs(void) {
  set_up();
  struct tvmgen_{{ name }}_inputs inputs;
{% for port in inputs %}
  inputs.{{ port.field }} = failed ? nowhere : interpreter->input({{ loop.index0 }})->data.raw;
{% endfor %}
  return inputs;
}

struct tvmgen_{{ name }}_outputs tvmgen_{{ name }}_map_outputs(void) {
  set_up();
  struct tvmgen_{{ name }}_outputs outputs;
{% for port in outputs %}
  outputs.{{ port.field }} = failed ? nowhere : interpreter->output({{ loop.index0 }})->data.raw;
{% endfor %}
  outputs.{{ used }} = &arena_used;
  return outputs;
}

int32_t tvmgen_{{ name }}_run(
    struct tvmgen_{{ name }}_inputs *, struct tvmgen_{{ name }}_outputs *) {
#ifdef TINYENGINE_LAYER
  next_layer = 0;
#endif
  return failed || interpreter->Invoke() != kTfLiteOk;
}

}  // extern "C"
""",
    trim_blocks=True,
    keep_trailing_newline=True,
    undefined=jinja2.StrictUndefined,
)
_MODEL = """\
    .section .rodata.tvmgen_{name}_model, "a", %progbits
    .global tvmgen_{name}_model
    .type tvmgen_{name}_model, %object
    .balign 16
tvmgen_{name}_model:
    .incbin "network.tflite"
    .size tvmgen_{name}_model, . - tvmgen_{name}_model
"""


def adapter_source(
    layers: Sequence[Operator],
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    defined: Collection[str],
) -> str:
    """adapter.cc, with just the operators of `layers`; all of them are in METHODS.

    Where `defined`, the library's symbols, has a kernel for int8 alone and that is all an operator
    needs, that one is taken: it has less code.
    """
    kinds = sorted({layer.kind for layer in layers})
    methods, headers = [], []
    for kind in kinds:
        int8 = all(layer.int8 for layer in layers if layer.kind == kind) and kind in INT8_ALONE
        special = f"Register_{kind}_INT8"
        known = f"_ZN6tflite{len(special)}{special}Ev" in defined
        given = f"tflite::{special}()" if int8 and known else ""
        methods.append(f"{METHODS[kind]}({given})")
        if given and INT8_ALONE[kind]:
            headers.append(INT8_ALONE[kind])
    return _SOURCE.render(
        name=NAME,
        arena=ARENA,
        arena_bytes=ARENA_BYTES,
        used=USED,
        begin=BEGIN,
        invoke=INVOKE,
        kinds=kinds,
        methods=methods,
        headers=headers,
        layers=len(layers),
        inputs=inputs,
        outputs=outputs,
    )


def model_source() -> str:
    """network.S, which takes network.tflite into flash."""
    return _MODEL.format(name=NAME)
