# SPDX-License-Identifier: Apache-2.0
"""From a TIR function to what a layer of the network needs of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from tvm import tirx

from .c_source import CFunction, c_function
from .loops import lower_to_loops, macs_of
from .table import table_of

_LONGEST = 40


@dataclass(frozen=True, eq=False)
class ExternalCode:
    """A function's C and what it computes. `macs`: multiply-accumulates of one call.

    table: int8 [256], for a function of each int8 value alone.
    """

    c: CFunction
    operators: tuple[str, ...]
    macs: int
    table: np.ndarray | None = None


def external_code(function: tirx.PrimFunc, operators: tuple[str, ...], writes: int) -> ExternalCode:
    """The C of a TIR function whose last `writes` parameters are its results.

    Raises:
        NotInC: it has no plain C.
    """
    words = re.sub(r"[^a-z0-9_]+", "_", "_".join(operators).lower())
    name = "te_tvm_" + words[:_LONGEST].strip("_")
    lowered = lower_to_loops(function)
    code = c_function(lowered, name, writes)
    return ExternalCode(code, operators, macs_of(function), table_of(lowered))
