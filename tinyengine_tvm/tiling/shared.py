# SPDX-License-Identifier: Apache-2.0
"""Constants of the parts of a region: what is equal in several is there once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..kernels.base import Constant


@dataclass
class _Array:
    """Heads, one after the other, and the rest that they have in common."""

    rest: np.ndarray
    heads: list[np.ndarray] = field(default_factory=list)
    distance_at: list[int] = field(default_factory=list)

    def begin(self, index: int) -> int:
        """Words before a head, or before the rest."""
        return sum(len(head) for head in self.heads[:index])

    def data(self) -> np.ndarray:
        if not self.heads:
            return self.rest
        heads = [head.copy() for head in self.heads]
        for i, head in enumerate(heads):
            head[self.distance_at[i]] = self.begin(len(heads)) - self.begin(i)
        return np.concatenate([*heads, self.rest])


@dataclass(frozen=True)
class Reference:
    """A constant: the name of its array, and the number of its head there."""

    array: str
    head: int


class SharedConstants:
    """Collects the constants of parts, and places each in an array."""

    def __init__(self) -> None:
        self._arrays: dict[str, _Array] = {}

    def add(self, name: str, constant: Constant) -> Reference:
        """Where a constant will be. Constants of other names don't share arrays."""
        head, rest = constant.data[: constant.head], constant.data[constant.head :]
        wanted, number = name, 1
        while wanted in self._arrays and not _equal(self._arrays[wanted].rest, rest):
            number += 1
            wanted = f"{name}_{number}"
        array = self._arrays.setdefault(wanted, _Array(rest))
        if not constant.head:
            return Reference(wanted, 0)
        for i, known in enumerate(array.heads):
            if _equal(known, head):
                return Reference(wanted, i)
        array.heads.append(head)
        array.distance_at.append(constant.distance_at)
        return Reference(wanted, len(array.heads) - 1)

    def constants(self) -> tuple[Constant, ...]:
        """All arrays, once everything has been added."""
        return tuple(Constant(name, array.data()) for name, array in self._arrays.items())

    def offset(self, reference: Reference) -> int:
        """Words before a constant's head in its array."""
        return self._arrays[reference.array].begin(reference.head)


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and np.array_equal(a, b)
