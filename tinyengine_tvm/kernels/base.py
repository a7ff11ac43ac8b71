# SPDX-License-Identifier: Apache-2.0
"""What a kernel family tells the rest of the compiler.

A family is one file (or one package where it has several implementations) with the numpy semantics
of its layer and one or more `Kernel`s: which configurations there are, how much scratch each needs,
how far its output may run over its dying input, and the C.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar

import jinja2
import numpy as np

from ..network import Layer, Network
from ..targets import Target

Configuration = Mapping[str, Any]
"""A point of a kernel's configuration space: parameter name to value. JSON-serialisable."""


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant array in flash. `name` is a suffix; the emitter prefixes the layer's C name."""

    name: str
    data: np.ndarray
    head: int = 0
    """Words at the beginning that tell one part of a layer from another. The rest may lie elsewhere."""
    distance_at: int = 0
    """Which word of the head says how many words after the head's beginning the rest begins."""


@dataclass(frozen=True)
class Function:
    """A C function at file scope. Text says `@NAME@` where the function's name stands.

    Layers whose text is equal share one function. `helpers` names files of runtime_c/kernels
    (without .h) that the text needs.
    """

    name: str
    text: str
    helpers: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operands:
    """C expressions for what a call needs: `const int8_t *` inputs, output, scratch.

    `constant(name)` gives the C name of the layer's Constant of that name. `in_place` holds the
    inputs, by index, that already lie in the output where they belong (Concat, Pad).
    """

    inputs: tuple[str, ...]
    output: str
    scratch: str
    constant: Callable[[str], str]
    in_place: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Code:
    """What a layer contributes to model.c.

    `call` gets the operands and the C names of `functions` in their order, and returns statements.
    """

    functions: tuple[Function, ...] = ()
    constants: tuple[Constant, ...] = ()
    call: Callable[[Operands, Sequence[str]], str] = field(default=lambda operands, names: "")


@dataclass(frozen=True)
class Cost:
    """What a layer takes in one configuration: estimates, for comparing configurations.

    `routines` maps what identifies a function to its bytes: layers that name the same one share it.
    """

    instructions: int
    routines: Mapping[Hashable, int]
    data: int = 0
    """Bytes of constants."""


Objective = Literal["speed", "size"]
"""What a compile aims at: few instructions, or little code at a modest price in instructions."""

LayerT = TypeVar("LayerT", bound=Layer)


class Kernel(ABC, Generic[LayerT]):
    """One implementation of one layer type."""

    name: ClassVar[str]
    """operator_type_tile_instructions, such as conv1x1_s8_4x2_dsp or conv2d_s8_portable."""
    layer: ClassVar[type[Layer]]

    def supports(self, network: Network, layer: LayerT, target: Target) -> bool:
        """Whether this kernel computes this layer exactly on this target."""
        return True

    def configurations(
        self, network: Network, layer: LayerT, target: Target
    ) -> Sequence[Configuration]:
        """The configuration space, the default first."""
        return ({},)

    def choose(
        self, network: Network, layer: LayerT, target: Target, objective: Objective
    ) -> Configuration:
        """The configuration to take without measurements."""
        return self.configurations(network, layer, target)[0]

    def costs(
        self, network: Network, layer: LayerT, target: Target
    ) -> Sequence[tuple[Configuration, Cost]]:
        """Configurations to choose from for a network as a whole: see selection.py.

        Nothing where the layer's own `choose` is to decide.
        """
        return ()

    def context(self, network: Network, layer: LayerT, target: Target) -> Hashable:
        """What `choose` and `costs` depend on beyond the layer and its operands.

        Layers that are alike, with their operands, get the same of both in networks where this is
        equal. Called for layers that the kernel doesn't support, too.
        """
        return ()

    def scratch(self, network: Network, layer: LayerT, configuration: Configuration) -> int:
        """Bytes of scratch in the arena while the layer runs."""
        return 0

    def lighter(
        self, network: Network, layer: LayerT, configuration: Configuration
    ) -> Sequence[tuple[Configuration, int]]:
        """Configurations with less scratch than this one, and what they cost at most.

        That is in instructions per inference more than this one takes. Falling scratch.
        """
        return ()

    def overlap(
        self, network: Network, layer: LayerT, configuration: Configuration
    ) -> Mapping[int, int]:
        """Bytes of the output's end that may lie over the beginning of an operand that dies here.

        Maps the operand's index to that number. With o bytes the operand must begin at least
        (output's size - o) bytes after the output does: the kernel has read there before it writes.
        """
        return {}

    def in_place(
        self, network: Network, layer: LayerT, configuration: Configuration
    ) -> tuple[int, ...]:
        """Operands in whose place the output may be written, beginning exactly where they do."""
        return ()

    def scratch_overlap(self, network: Network, layer: LayerT, configuration: Configuration) -> int:
        """Bytes of the scratch's end that may lie over the beginning of the first operand."""
        return 0

    @abstractmethod
    def emit(self, network: Network, layer: LayerT, configuration: Configuration) -> Code:
        """The C of this layer."""


_environment = jinja2.Environment(
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render(template: str, **values: Any) -> str:
    """Fills a jinja2 C template; an undefined name is an error."""
    return _environment.from_string(template).render(**values)
