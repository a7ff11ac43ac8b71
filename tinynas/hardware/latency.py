# SPDX-License-Identifier: Apache-2.0
"""Cycles of one inference, from coefficients fitted to counted layers."""

from __future__ import annotations

from functools import lru_cache

from ..errors import NasError
from ..space import Architecture
from .fitted import COEFFICIENTS, fitted
from .twin import Twin


def latency_cycles(architecture: Architecture, core: str = "cortex-m4") -> float:
    """Cycles as the compiler's cycle model counts them, estimated without compiling.

    Raises:
        NasError: nothing was measured for this core, or for a block.
    """
    if fitted(core) is None:
        there = ", ".join(sorted(path.stem for path in COEFFICIENTS.glob("*.json")))
        raise NasError(f"no latency model for {core}; there are: {there}")
    return float(_twin(core).judge(architecture).cycles)


@lru_cache
def _twin(core: str) -> Twin:
    return Twin(core)
