# SPDX-License-Identifier: Apache-2.0
"""Which buffers may lie over one another while a layer runs, and how far.

Published as diagonal memory optimisation (Blacker et al., 2020) and segment-level management (vMCU,
2024): a kernel that reads its input in order may write its output over what it has read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..network import Network
from .buffer import Buffer, Together, disjoint
from .lifetimes import View, scratch_name


@dataclass(frozen=True)
class Rules:
    """What a layer's kernel allows, in bytes; see Kernel.overlap.

    operands: by index, how much of the output's end may lie over the beginning of that operand.
    scratch: the same of the scratch's end, over the first operand.
    in_place: operands in whose place the output may be written, if it begins where they do.
    """

    operands: Mapping[int, int] = field(default_factory=dict)
    scratch: int = 0
    in_place: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sharing:
    """What the rules of all layers come to, in terms of buffers.

    leads: (lower buffer, upper buffer) to the bytes by which the upper one must begin later.
    together: pairs that may begin at one address.
    """

    leads: Mapping[tuple[str, str], int]
    together: Together

    def separation(self, a: Buffer, b: Buffer) -> int | None:
        """Buffers are disjoint but for what may overlap."""
        lead = self.leads.get((a.name, b.name))
        return disjoint(a, b) if lead is None else min(lead, a.size)


def sharing(
    network: Network,
    buffers: list[Buffer],
    aliases: Mapping[str, View],
    rules: Mapping[str, Rules],
) -> Sharing:
    """Which buffers may overlap: a layer's output or scratch and an operand that dies there."""
    of_name = {b.name: b for b in buffers}
    leads: dict[tuple[str, str], int] = {}
    together: set[tuple[str, str]] = set()
    # Live to the last step and not dead after it.
    kept = {aliases[n].buffer for n in network.outputs if n in aliases}
    for step, layer in enumerate(network.layers):
        rule = rules.get(layer.name, Rules())
        output, offset = aliases[layer.output]
        end = offset + network.output_of(layer).nbytes
        scratch = of_name.get(scratch_name(network, layer.name))
        for name in {aliases[n].buffer for n in layer.inputs if n in aliases}:
            indices = [i for i, n in enumerate(layer.inputs) if _lies_in(aliases.get(n), name)]
            # Output and operand in one buffer is a view, and later readers keep an operand alive.
            if (
                name == output
                or name in kept
                or of_name[name].last != step
                or of_name[output].first != step
            ):
                continue
            # A buffer that holds more than the operand isn't dead as a whole.
            if any(network.tensor(layer.inputs[i]).nbytes < of_name[name].size for i in indices):
                continue
            if all(i in rule.operands for i in indices):
                allowed = min(rule.operands[i] for i in indices)
                # What the buffer has beyond this layer's output isn't written before the next one.
                leads[output, name] = max(offset, end - allowed)
            if all(i in rule.in_place for i in indices) and offset == 0:
                together.update([(output, name), (name, output)])
            if scratch is not None and indices == [0] and rule.scratch:
                leads[scratch.name, name] = max(0, scratch.size - rule.scratch)
    return Sharing(leads, frozenset(together))


def _lies_in(view: View | None, buffer: str) -> bool:
    return view is not None and view.buffer == buffer
