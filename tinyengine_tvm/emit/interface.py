# SPDX-License-Identifier: Apache-2.0
"""The C interface of a network: fields, and model.h."""

from __future__ import annotations

from dataclasses import dataclass

from ..kernels.base import render
from ..network import Network, Tensor
from .names import UniqueNames, comment, identifier


@dataclass(frozen=True)
class Port:
    """An input or output of the network as C sees it."""

    tensor: Tensor
    field: str
    source: str
    """Its name in the model file."""
    streamed: bool = False
    """Asked for a few rows at a time, through a callback."""

    @property
    def row_bytes(self) -> int:
        """Bytes of a row, which is what is along the second dimension: images are NHWC."""
        return self.tensor.nbytes // self.tensor.shape[1]

    @property
    def macro(self) -> str:
        return self.field.upper()


def ports(
    network: Network, names: tuple[str, ...], streamed: frozenset[str] = frozenset()
) -> list[Port]:
    """The ports of these tensors, with unique C field names."""
    unique = UniqueNames()
    result = []
    for name in names:
        source = network.source.get(name, name)
        result.append(
            Port(network.tensor(name), unique(identifier(source)), source, name in streamed)
        )
    return result


HEADER = """\
/* {{ banner }} */
#ifndef {{ guard }}
#define {{ guard }}

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of SRAM for inputs, outputs, activations and scratch together. */
#define {{ prefix }}_ARENA_SIZE {{ arena_bytes }}
{% for kind, group in (("Input", inputs), ("Output", outputs)) %}
{% for port in group %}

/* {{ kind }} "{{ comment(port.source) }}", {{ port.tensor.dtype }} {{ list(port.tensor.shape) }}. */
#define {{ prefix }}_{{ port.macro }}_BYTES {{ port.tensor.nbytes }}
#define {{ prefix }}_{{ port.macro }}_RANK {{ port.tensor.shape | length }}
#define {{ prefix }}_{{ port.macro }}_SHAPE {{ '{' }}{{ port.tensor.shape | join(", ") }}{{ '}' }}
{% if port.tensor.quantisation and port.tensor.dtype == "int8" %}
/* real = SCALE * (stored - ZERO_POINT) */
#define {{ prefix }}_{{ port.macro }}_SCALE {{ port.tensor.scale.hex() }}f /* {{ '%.9g' % port.tensor.scale }} */
#define {{ prefix }}_{{ port.macro }}_ZERO_POINT ({{ port.tensor.zero_point }})
{% endif %}
{% if port.streamed %}
#define {{ prefix }}_{{ port.macro }}_ROW_BYTES {{ port.row_bytes }}
{% endif %}
{% endfor %}
{% endfor %}

/* Pointers must be aligned to {{ alignment }} bytes. */
struct tvmgen_{{ name }}_inputs {
{% for port in inputs %}
{% if port.streamed %}
    /* Called during the run to write `rows` rows of the input, the first of them `first_row`, to
     * `destination`, one after the other without gaps. Rows are asked for in order, none twice; rows
     * at the end that no output depends on are never asked for. `context` is handed through. */
    void (*{{ port.field }}_rows)(
        void *context, int32_t first_row, int32_t rows, void *destination);
    void *{{ port.field }}_context;
{% else %}
    void *{{ port.field }};
{% endif %}
{% endfor %}
};

struct tvmgen_{{ name }}_outputs {
{% for port in outputs %}
    void *{{ port.field }};
{% endfor %}
};

/* Runs one inference. Gives 0. Not reentrant: all runs share one arena. */
int32_t tvmgen_{{ name }}_run(
    struct tvmgen_{{ name }}_inputs *inputs, struct tvmgen_{{ name }}_outputs *outputs);

/* The places of inputs and outputs inside the arena. Filling the inputs there saves a second
 * buffer; a run overwrites them.{{ " Callbacks of streamed inputs are NULL: set them." if streamed }} */
struct tvmgen_{{ name }}_inputs tvmgen_{{ name }}_map_inputs(void);
struct tvmgen_{{ name }}_outputs tvmgen_{{ name }}_map_outputs(void);

#ifdef TINYENGINE_ARENA_EXTERN
/* Define it yourself, aligned to 16 bytes, in the memory of your choice. */
extern uint8_t tvmgen_{{ name }}_arena[{{ prefix }}_ARENA_SIZE];
#endif

#ifdef __cplusplus
}
#endif

#endif
"""


def model_header(
    network: Network, inputs: list[Port], name: str, arena_bytes: int, banner: str
) -> str:
    """Text of model.h. `inputs` are the ports of all inputs, streamed ones among them."""
    outputs = ports(network, network.outputs)
    return render(
        HEADER,
        alignment=max(port.tensor.alignment for port in [*inputs, *outputs]),
        name=name,
        prefix=f"TVMGEN_{name.upper()}",
        guard=f"TVMGEN_{name.upper()}_H",
        arena_bytes=arena_bytes,
        inputs=inputs,
        streamed=any(port.streamed for port in inputs),
        outputs=outputs,
        banner=banner,
        comment=comment,
        list=list,
    )
