# SPDX-License-Identifier: Apache-2.0
"""Which buffers may lie over one another while a layer runs, and how far.

Published as diagonal memory optimisation (Blacker et al., 2020) and segment-level management (vMCU,
2024): a kernel that reads its input in order may write its output over what it has read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

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
    leads: dict[tuple[str, str], int] = {}
    together: set[tuple[str, str]] = set()
    scratch = {b.name: b.size for b in buffers}
    for death in _deaths_of(network, buffers, aliases):
        rule = rules.get(death.layer)
        if rule is None:
            continue
        pair, indices = death.pair, death.indices
        if rule.operands and all(i in rule.operands for i in indices):
            allowed = min(rule.operands[i] for i in indices)
            # What the buffer has beyond this layer's output isn't written before the next one.
            leads[pair] = max(death.offset, death.end - allowed)
        if rule.in_place and death.offset == 0 and all(i in rule.in_place for i in indices):
            together.update([pair, pair[::-1]])
        if rule.scratch and indices == (0,) and death.scratch in scratch:
            leads[death.scratch, pair[1]] = max(0, scratch[death.scratch] - rule.scratch)
    return Sharing(leads, frozenset(together))


class _Death(NamedTuple):
    """A layer whose operand, of these indices, dies while the output is written."""

    layer: str
    pair: tuple[str, str]
    """The buffers of output and operand."""
    indices: tuple[int, ...]
    offset: int
    end: int
    """Where in its buffer the output lies."""
    scratch: str


def _deaths_of(
    network: Network, buffers: list[Buffer], aliases: Mapping[str, View]
) -> list[_Death]:
    # As long as the aliases are remembered, nothing else has their identity.
    known = network.once(_no_deaths)
    found = known.get(id(aliases))
    if found is None:
        found = known[id(aliases)] = (aliases, list(_deaths(network, buffers, aliases)))
    return found[1]


def _no_deaths(network: Network) -> dict[int, tuple[Mapping[str, View], list[_Death]]]:
    return {}


def _deaths(
    network: Network, buffers: list[Buffer], aliases: Mapping[str, View]
) -> Iterator[_Death]:
    of_name = {b.name: b for b in buffers}
    # Live to the last step and not dead after it.
    kept = {aliases[n].buffer for n in network.outputs if n in aliases}
    for step, layer in enumerate(network.layers):
        output, offset = aliases[layer.output]
        end = offset + network.output_of(layer).nbytes
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
            scratch = scratch_name(network, layer.name)
            yield _Death(layer.name, (output, name), tuple(indices), offset, end, scratch)


def _lies_in(view: View | None, buffer: str) -> bool:
    return view is not None and view.buffer == buffer
