# SPDX-License-Identifier: Apache-2.0
"""What passes on the order of operators see of a TVM function, whichever its dialect.

`relax_flow.py` and `relay_flow.py` both make a `Flow` of a function, and a function of a Flow's
order or marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from .choice import dialect_of

INPLACE = "tinyengine.inplace"
"""Attribute of a function: names of the variables whose values may take their input's place."""


@dataclass(frozen=True)
class Step:
    """One operator: its name, and the values that it reads and writes, by name.

    `depthwise`: it's a depthwise convolution of the first value read, of one result per channel.
    """

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    after: tuple[str, ...]
    depthwise: bool = False


@dataclass(frozen=True)
class Flow:
    """The operators of a function in their order.

    sizes: bytes by value. inputs, outputs: values that are there before and after; `parameters` are
    inputs that belong to the caller.
    """

    steps: tuple[Step, ...]
    sizes: dict[str, int]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: frozenset[str]


def dialect_module(module: Any) -> ModuleType:
    """The functions of the module's dialect.

    They are graph_functions(module), prepared(module), flows(module, function),
    in_order(function, module, orders), with_marks(function, module, names) and
    finished(module, functions).
    """
    import importlib

    dialect = next((dialect_of(f) for f in _functions(module)), "relax")
    return importlib.import_module(f"{__package__}.{dialect}_flow")


def _functions(module: Any) -> Sequence[Any]:
    graphs = ("tvm.relax", "tvm.relay", "relax", "relay")
    return [f for f in module.functions.values() if type(f).__module__.startswith(graphs)]
