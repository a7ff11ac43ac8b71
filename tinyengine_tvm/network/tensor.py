# SPDX-License-Identifier: Apache-2.0
"""Tensors of a quantised network."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

DTYPES = {
    "int8": 1,
    "int32": 4,
    "float32": 4,
    # Only External layers compute with these; bool is a byte, 0 or 1.
    "bool": 1,
    "uint8": 1,
    "int16": 2,
    "uint16": 2,
    "uint32": 4,
    "int64": 8,
    "uint64": 8,
    "float64": 8,
}
"""Element types a Network may hold, with their size in bytes."""
C_TYPES = {
    name: {"bool": "uint8_t", "float32": "float", "float64": "double"}.get(name, f"{name}_t")
    for name in DTYPES
}
"""The same, with what C calls them."""


@dataclass(frozen=True)
class Quantisation:
    """Affine quantisation of a whole tensor: real = scale * (stored - zero_point).

    `scale` is a float32 value held as a Python float, so that the double-precision derivations of
    TFLite start from the same number as the reference does.
    """

    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", float(np.float32(self.scale)))
        object.__setattr__(self, "zero_point", int(self.zero_point))


@dataclass(frozen=True, eq=False)
class Tensor:
    """An activation, or a constant operand when `data` is given.

    Four-dimensional feature maps are NHWC. Weights and biases aren't tensors of the network: they
    belong to their layer.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "int8"
    quantisation: Quantisation | None = None
    data: np.ndarray | None = None

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.elements * DTYPES[self.dtype]

    @property
    def alignment(self) -> int:
        """Of its first byte, in bytes."""
        return max(4, DTYPES[self.dtype])

    @property
    def scale(self) -> float:
        assert self.quantisation is not None, self.name
        return self.quantisation.scale

    @property
    def zero_point(self) -> int:
        assert self.quantisation is not None, self.name
        return self.quantisation.zero_point
