# SPDX-License-Identifier: Apache-2.0
"""A sequence of small numbers with one repeated stretch, as a table that is walked with a loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Program:
    """`steps`, of which those from `begin` to `end` (excluded) are done `rounds` times."""

    steps: tuple[int, ...]
    begin: int
    end: int
    rounds: int


def compress(sequence: Sequence[int]) -> Program:
    """The shortest such table for a sequence."""
    values = np.asarray(sequence)
    count = len(values)
    best = (count, 0, count, 1)
    for period in range(1, count // 2 + 1):
        equal = values[period:] == values[:-period]
        ends = np.flatnonzero(~np.append(equal, False))
        begins = np.concatenate([[0], ends[:-1] + 1])
        lengths = ends - begins
        i = int(np.argmax(lengths))
        rounds = int(lengths[i]) // period + 1
        left = count - (rounds - 1) * period
        if rounds > 1 and left < best[0]:
            best = (left, int(begins[i]), int(begins[i]) + period, rounds)
    _, begin, end, rounds = best
    steps = (*sequence[:end], *sequence[end + (rounds - 1) * (end - begin) :])
    return Program(steps, begin, end, rounds)


def expand(program: Program) -> list[int]:
    """The sequence that a table stands for."""
    head, again = program.steps[: program.begin], program.steps[program.begin : program.end]
    return [*head, *again * program.rounds, *program.steps[program.end :]]
