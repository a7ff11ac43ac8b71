# SPDX-License-Identifier: Apache-2.0
"""model.c: the functions that the layers need, their constants, and the run function."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

import numpy as np

from ..kernels.base import Operands, render
from ..kernels.registry import Selected
from ..memory import MemoryPlan, pieces
from ..network import Fused, Layer, Network
from ..paths import runtime_c
from .checks import CheckTable
from .constants import constant_array, needs_math
from .interface import Port, ports
from .names import UniqueNames, comment, identifier

SOURCE = """\
/* {{ banner }} */
#include "model.h"

#include <stddef.h>
#include <string.h>
{% for include in includes %}
#include <{{ include }}>
{% endfor %}

/* Stands before each layer and after the last; a profiler may define it. */
#ifndef TINYENGINE_LAYER
#define TINYENGINE_LAYER(index)
#endif

{% for helper in helpers %}
{{ helper }}
{% endfor %}
{% for function in functions %}
{{ function }}
{% endfor %}
{% for constant in constants %}
{{ constant }}
{% endfor %}
{% if checks %}
{{ checks }}
{% elif arena_bytes %}
#ifndef TINYENGINE_ARENA_EXTERN
_Alignas(16) static uint8_t tvmgen_{{ name }}_arena[TVMGEN_{{ name.upper() }}_ARENA_SIZE];
#endif
{% endif %}
{% if arena_bytes %}
#define TE_ARENA(offset) ((void *)(tvmgen_{{ name }}_arena + (offset)))

{% endif %}
struct tvmgen_{{ name }}_inputs tvmgen_{{ name }}_map_inputs(void)
{
    const struct tvmgen_{{ name }}_inputs mapped = { {{ map_inputs | join(", ") }} };
    return mapped;
}

struct tvmgen_{{ name }}_outputs tvmgen_{{ name }}_map_outputs(void)
{
    const struct tvmgen_{{ name }}_outputs mapped = { {{ map_outputs | join(", ") }} };
    return mapped;
}

int32_t tvmgen_{{ name }}_run(
    struct tvmgen_{{ name }}_inputs *inputs, struct tvmgen_{{ name }}_outputs *outputs)
{
{% for step in steps %}
    /* {{ step.title }} */
    TINYENGINE_LAYER({{ loop.index0 }});
{% for line in step.lines %}
    {{ line }}
{% endfor %}
{% endfor %}
    TINYENGINE_LAYER({{ steps | length }});
    return 0;
}
"""


@dataclass(frozen=True)
class Source:
    """model.c, the constants it holds: (C symbol, bytes), and which functions are whose."""

    text: str
    constants: list[tuple[str, int]]
    functions: dict[str, list[str]]
    """Layer to the C functions that it calls."""


@dataclass(frozen=True)
class _Step:
    title: str
    lines: list[str]


def helper_text(name: str, folder: str = "kernels") -> str:
    """The body of a helper of runtime_c/<folder>, without its licence line."""
    text = (runtime_c() / folder / f"{name}.h").read_text(encoding="utf-8")
    return re.sub(r"\A/\* SPDX[^\n]*\*/\n", "", text)


def _wrapped(line: str) -> list[str]:
    """A statement of the run function, broken at commas where it is too long."""
    return textwrap.wrap(
        line,
        96,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
        initial_indent="",
    )


class _Pointers:
    """C expressions for tensors: the caller's buffers at the ends, the arena in between."""

    def __init__(
        self,
        network: Network,
        inputs: list[Port],
        plan: MemoryPlan,
        constants: dict[str, str],
    ) -> None:
        self._plan = plan
        self._fixed = dict(constants)
        # A reshape moves nothing, so all views of a tensor are the caller's if one of them is.
        # Outputs go last, so that the layer before a final reshape writes to the caller at once.
        same = plan.aliases
        ends = {*network.inputs, *network.outputs}
        outputs = ports(network, network.outputs)
        for struct, group in (("inputs", inputs), ("outputs", outputs)):
            for port in group:
                if port.streamed:
                    # The beginning of the names of its callback and context.
                    self._fixed[port.tensor.name] = f"{struct}->{port.field}"
                    continue
                for name, place in same.items():
                    own = name == port.tensor.name
                    if own or (place.buffer == same[port.tensor.name].buffer and name not in ends):
                        whole = f"{struct}->{port.field}"
                        self._fixed[name] = (
                            f"((int8_t *){whole} + {place.offset})" if place.offset else whole
                        )

    def __call__(self, tensor: str) -> str:
        if tensor in self._fixed:
            return self._fixed[tensor]
        return f"TE_ARENA({self._plan.offset_of(tensor)})"


def operand_names(layer: Layer) -> tuple[str, ...]:
    """The tensors that a layer reads, a streamed one among them."""
    if isinstance(layer, Fused) and layer.streamed is not None:
        return (layer.streamed,)
    return layer.inputs


def _in_place(network: Network, layer: Layer, plan: MemoryPlan) -> frozenset[int]:
    """The operands, by index, that lie in the layer's output where it would copy them to."""
    buffer, begin = plan.aliases[layer.output]
    return frozenset(
        index
        for index, offset in pieces(network, layer)
        if plan.aliases.get(layer.inputs[index]) == (buffer, begin + offset)
    )


def model_source(
    network: Network,
    inputs: list[Port],
    selected: list[Selected],
    plan: MemoryPlan,
    name: str,
    banner: str,
    check: bool = False,
) -> Source:
    """Text of model.c, deterministic for its arguments. `inputs` are as in model_header.

    `check` puts a check of the arena around every layer.
    """
    symbols, function_names = UniqueNames(), UniqueNames()
    constants: list[tuple[str, np.ndarray]] = []
    constant_tensors: dict[str, str] = {}
    for tensor in network.tensors.values():
        if tensor.data is not None:
            symbol = symbols(f"te_{identifier(tensor.name)}")
            constants.append((symbol, tensor.data))
            constant_tensors[tensor.name] = symbol
    pointers = _Pointers(network, inputs, plan, constant_tensors)

    checks = CheckTable(network, plan) if check and plan.arena_bytes else None
    # By text: layers that reach a function through different helpers share it as well.
    functions: dict[str, str] = {}
    helpers: dict[str, None] = {}
    includes: set[str] = set()
    steps: list[_Step] = []
    called: dict[str, list[str]] = {}
    for choice in selected:
        layer = choice.layer
        code = choice.kernel.emit(network, layer, choice.configuration)
        for function in code.functions:
            helpers.update(dict.fromkeys(function.helpers))
            includes.update(function.includes)
            if function.text not in functions:
                functions[function.text] = function_names(function.name)
        called[layer.name] = [functions[f.text] for f in code.functions]
        own = {}
        for constant in code.constants:
            symbol = symbols(f"te_{identifier(layer.name)}_{constant.name}")
            own[constant.name] = symbol
            constants.append((symbol, constant.data))
        scratch = plan.scratch_offset(layer.name) if layer.name in plan.scratch else None
        operands = Operands(
            inputs=tuple(pointers(n) for n in operand_names(layer)),
            output=pointers(layer.output),
            scratch="NULL" if scratch is None else f"TE_ARENA({scratch})",
            constant=own.__getitem__,
            in_place=_in_place(network, layer, plan),
        )
        text = code.call(operands, called[layer.name])
        shapes = " + ".join(
            "x".join(map(str, network.tensor(n).shape)) for n in operand_names(layer)
        )
        out_shape = "x".join(map(str, network.output_of(layer).shape))
        title = comment(f"{layer.name}: {layer.op} {shapes} -> {out_shape}")
        lines = [w for line in text.splitlines() for w in _wrapped(line)]
        if checks is not None:
            lines = [checks.before(len(steps)), *lines, checks.after(len(steps))]
        steps.append(_Step(title, lines))

    if any(needs_math(data) for _, data in constants):
        includes.add("math.h")

    def mapped(group: list[Port]) -> list[str]:
        places = []
        for port in group:
            if port.streamed:
                places += ["NULL", "NULL"]
            else:
                places.append(f"TE_ARENA({plan.offset_of(port.tensor.name)})")
        return places

    text = render(
        SOURCE,
        name=name,
        banner=banner,
        includes=sorted(includes),
        helpers=[helper_text(h) for h in [*helpers, *(["te_check"] if checks else [])]],
        checks=checks.text(name) if checks is not None else "",
        functions=[text.replace("@NAME@", n) for text, n in functions.items()],
        constants=[constant_array(symbol, data) for symbol, data in constants],
        arena_bytes=plan.arena_bytes,
        map_inputs=mapped(inputs),
        map_outputs=mapped(ports(network, network.outputs)),
        steps=steps,
    )
    return Source(text, [(symbol, data.nbytes) for symbol, data in constants], called)
