# SPDX-License-Identifier: Apache-2.0
"""What the counting plugin writes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ..boards.elf import Image
from ..errors import BoardError
from .result import AddressCounts, FunctionProfile


@dataclass(frozen=True)
class LayerCounts:
    """Instructions, loads and stores executed in one layer, and where."""

    instructions: int
    loads: int
    stores: int
    addresses: AddressCounts


@dataclass(frozen=True)
class Counts:
    """One inference. What stands before the first layer's code belongs to it, and what stands
    after the last one's to that, so that the layers' sum is the whole run. stack_bytes: the deepest
    stack of the inference."""

    layers: tuple[LayerCounts, ...]
    stack_bytes: int

    @property
    def instructions(self) -> int:
        return sum(layer.instructions for layer in self.layers)

    @property
    def loads(self) -> int:
        return sum(layer.loads for layer in self.layers)

    @property
    def stores(self) -> int:
        return sum(layer.stores for layer in self.layers)

    def executed(self) -> Counter[int]:
        """Executions by address, over all layers."""
        total: Counter[int] = Counter()
        for layer in self.layers:
            total.update(layer.addresses.executed)
        return total

    def functions(self, image: Image) -> tuple[FunctionProfile, ...]:
        """Instructions by function of the profiling build, the busiest first."""
        total: Counter[str] = Counter()
        for address, count in self.executed().items():
            total[image.function_at(address) or "(unknown)"] += count
        ranked = sorted(total.items(), key=lambda item: (-item[1], item[0]))
        return tuple(FunctionProfile(name, count) for name, count in ranked)


def read_counts(text: str, layers: int, stack_bytes: int) -> Counts:
    """Parses the file that runtime_c/profile/count.c writes for a model of `layers` layers.

    Raises:
        BoardError: the file is incomplete, or code outside the counted range was executed.
    """
    found: list[LayerCounts] = []
    outside = None
    for line in text.splitlines():
        kind, *values = line.split()
        if kind == "layer":
            _, instructions, loads, stores = map(int, values)
            found.append(LayerCounts(instructions, loads, stores, AddressCounts({}, {})))
        elif kind == "address":
            address, executed, taken = int(values[0], 16), int(values[1]), int(values[2])
            found[-1].addresses.executed[address] = executed
            if taken:
                found[-1].addresses.taken[address] = taken
        elif kind == "complete":
            outside = int(values[0])
    if outside is None or len(found) != layers:
        raise BoardError("the counting plugin's output is incomplete; is the disk full?")
    if outside:
        raise BoardError(f"the model executed {outside} instructions outside its code")
    return Counts(tuple(found), stack_bytes)
