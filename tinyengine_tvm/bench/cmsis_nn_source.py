# SPDX-License-Identifier: Apache-2.0
"""The C programs around CMSIS-NN: one that asks for the sizes of buffers, and the network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import jinja2

from ..boards.artifact import Port
from ..emit.constants import constant_array
from ..emit.names import identifier
from ..memory import MemoryPlan
from ..network import Network, Reshape
from .cmsis_nn_calls import Call
from .program import ARENA, NAME

SIZES = "sizes"

_SIZES = jinja2.Template(
    """\
/* The sizes of the buffers that the layers want. */
#include <arm_nnfunctions.h>

#include "model.h"

static int32_t sizes[{{ calls | length }}];

struct tvmgen_{{ name }}_inputs tvmgen_{{ name }}_map_inputs(void)
{
    return (struct tvmgen_{{ name }}_inputs){};
}

struct tvmgen_{{ name }}_outputs tvmgen_{{ name }}_map_outputs(void)
{
    return (struct tvmgen_{{ name }}_outputs){ sizes };
}

int32_t tvmgen_{{ name }}_run(
    struct tvmgen_{{ name }}_inputs *inputs, struct tvmgen_{{ name }}_outputs *outputs)
{
{% for structs, size in calls %}
    {
{% for line in structs %}
        {{ line }}
{% endfor %}
        sizes[{{ loop.index0 }}] = {{ size }};
    }
{% endfor %}
    return 0;
}
""",
    trim_blocks=True,
    keep_trailing_newline=True,
    undefined=jinja2.StrictUndefined,
)

_NETWORK = jinja2.Template(
    """\
/* The network as calls of CMSIS-NN. */
#include <arm_nnfunctions.h>

#include "model.h"

#ifndef TINYENGINE_LAYER
#define TINYENGINE_LAYER(number)
#endif

_Alignas(16) uint8_t {{ arena }}[{{ arena_bytes }}];

{% for constant in constants %}
{{ constant }}
{% endfor %}
struct tvmgen_{{ name }}_inputs tvmgen_{{ name }}_map_inputs(void)
{
    return (struct tvmgen_{{ name }}_inputs){
{%- for place in inputs %} {{ place }},{% endfor %} };
}

struct tvmgen_{{ name }}_outputs tvmgen_{{ name }}_map_outputs(void)
{
    return (struct tvmgen_{{ name }}_outputs){
{%- for place in outputs %} {{ place }},{% endfor %} };
}

int32_t tvmgen_{{ name }}_run(
    struct tvmgen_{{ name }}_inputs *inputs, struct tvmgen_{{ name }}_outputs *outputs)
{
    int32_t status = 0;
{% for layer in layers %}

    /* {{ layer.name }} */
    TINYENGINE_LAYER({{ loop.index0 }});
    {
{% for line in layer.lines %}
        {{ line }}
{% endfor %}
    }
{% endfor %}

    /* A negative number says something else to the harness. */
    return status != 0;
}
""",
    trim_blocks=True,
    keep_trailing_newline=True,
    undefined=jinja2.StrictUndefined,
)


def sizes_source(calls: Sequence[Call]) -> str:
    """A program whose one output is the bytes that each call's buffer takes, int32."""
    asked = []
    for call in calls:
        assert call.size is not None
        used = {name: call.structs[name] for name in re.findall(r"&(\w+)", call.size)}
        asked.append((_structs(used), call.size))
    return _SIZES.render(name=NAME, calls=asked)


def network_source(
    network: Network,
    calls: Mapping[str, Call],
    plan: MemoryPlan,
    sizes: Mapping[str, int],
    inputs: Sequence[Port],
    outputs: Sequence[Port],
) -> tuple[str, tuple[tuple[str, int], ...]]:
    """The network's program, and its constants as (C symbol, bytes)."""
    constants: list[str] = []
    facts: list[tuple[str, int]] = []
    layers = []
    for layer in network.layers:
        if isinstance(layer, Reshape):
            continue
        call, prefix = calls[layer.name], f"{identifier(layer.name)}_"
        for name, data in call.constants.items():
            constants.append(constant_array(prefix + name, data))
            facts.append((prefix + name, data.nbytes))
        places = {f"input{i}": _at(plan.offset_of(name)) for i, name in enumerate(layer.inputs)}
        places["output"] = _at(plan.offset_of(layer.output))
        places |= {name: prefix + name for name in call.constants}
        lines = _structs(call.structs)
        size = sizes.get(layer.name, 0)
        if "&context" in call.arguments:
            buffer = _at(plan.scratch_offset(layer.name)) if size else "0"
            lines.append(f"static const cmsis_nn_context context = {{{buffer}, {size}}};")
        if size and call.sums is not None:
            lines.append(f"status |= {call.sums};")
        assigned = "status |= " if call.gives_status else ""
        lines.append(f"{assigned}{call.function}({', '.join(call.arguments)});")
        lines = [_placed(line, places) for line in lines]
        layers.append({"name": layer.name, "lines": lines})
    source = _NETWORK.render(
        name=NAME,
        arena=ARENA,
        arena_bytes=max(plan.arena_bytes, 1),
        constants=constants,
        layers=layers,
        inputs=[_at(plan.offset_of(port.name)) for port in inputs],
        outputs=[_at(plan.offset_of(port.name)) for port in outputs],
    )
    return source, tuple(facts)


def _structs(structs: Mapping[str, str]) -> list[str]:
    """Definitions of `{name: "type = {...}"}`."""
    lines = []
    for name, text in structs.items():
        kind, _, value = text.partition(" = ")
        lines.append(f"static const {kind} {name} = {value};")
    return lines


def _at(offset: int) -> str:
    return f"(int8_t *){ARENA} + {offset}" if offset else f"(int8_t *){ARENA}"


def _placed(text: str, places: Mapping[str, str]) -> str:
    return re.sub(r"@(\w+)@", lambda found: places[found[1]], text)
