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

    @property
    def macro(self) -> str:
        return self.field.upper()


def ports(network: Network, names: tuple[str, ...]) -> list[Port]:
    """The ports of these tensors, with unique C field names."""
    unique = UniqueNames()
    result = []
    for name in names:
        source = network.source.get(name, name)
        result.append(Port(network.tensor(name), unique(identifier(source)), source))
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
{% endfor %}
{% endfor %}

/* Pointers must be aligned to 4 bytes. */
struct tvmgen_{{ name }}_inputs {
{% for port in inputs %}
    void *{{ port.field }};
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
 * buffer; a run overwrites them. */
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


def model_header(network: Network, name: str, arena_bytes: int, banner: str) -> str:
    """Text of model.h."""
    return render(
        HEADER,
        name=name,
        prefix=f"TVMGEN_{name.upper()}",
        guard=f"TVMGEN_{name.upper()}_H",
        arena_bytes=arena_bytes,
        inputs=ports(network, network.inputs),
        outputs=ports(network, network.outputs),
        banner=banner,
        comment=comment,
        list=list,
    )
