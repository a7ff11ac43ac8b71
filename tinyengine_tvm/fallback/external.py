# SPDX-License-Identifier: Apache-2.0
"""From a TIR function to what a layer of the network needs of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tvm import tirx

from .c_source import CFunction, c_function
from .loops import lower_to_loops, macs_of

_LONGEST = 40


@dataclass(frozen=True)
class ExternalCode:
    """A function's C and what it computes. `macs`: multiply-accumulates of one call."""

    c: CFunction
    operators: tuple[str, ...]
    macs: int
    reason: str = ""


def external_code(function: tirx.PrimFunc, operators: list[str], writes: int) -> ExternalCode:
    """The C of a TIR function whose last `writes` parameters are its results.

    Raises:
        NotInC: it has no plain C.
    """
    name = "te_tvm_" + re.sub(r"[^a-z0-9_]+", "_", "_".join(operators).lower())[:_LONGEST].strip(
        "_"
    )
    code = c_function(lower_to_loops(function), name, writes)
    return ExternalCode(code, tuple(operators), macs_of(function))


def is_tir(function: Any) -> bool:
    return isinstance(function, tirx.PrimFunc)
