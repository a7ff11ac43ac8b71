# SPDX-License-Identifier: Apache-2.0
"""What a validation found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Difference:
    """The first layer, in execution order, whose output isn't what it must be.

    values: how many differ, in all samples that were watched; most: by how much at most, in stored
    units; sample and place: of the first one.
    """

    layer: str
    operator: str
    number: int
    values: int
    elements: int
    most: float
    sample: int
    place: tuple[int, ...]


@dataclass(frozen=True)
class Run:
    """A compiled network on a board. Shares are of all samples; accuracy needs labels.

    agreement: the class is the model's. equal: all output values are the model's. watched: samples
    whose layers were looked at; difference: None where all layers give what they must.
    """

    board: str
    target: str
    accuracy: float | None
    agreement: float | None
    equal: float
    watched: int
    difference: Difference | None


@dataclass(frozen=True)
class LayerResult:
    """A layer's output against the float model's: signal to noise in decibels, mean absolute error
    and its share of the greatest value; None where the float model has no such tensor."""

    name: str
    operator: str
    compared: bool
    float_tensor: str | None = None
    snr: float | None = None
    mean_error: float | None = None
    relative_error: float | None = None


@dataclass(frozen=True)
class Validation:
    """original: who ran the model; accuracy: its own."""

    name: str
    samples: int
    original: str
    accuracy: float | None
    float_accuracy: float | None
    runs: tuple[Run, ...]
    layers: tuple[LayerResult, ...]

    @property
    def passed(self) -> bool:
        """Whether every layer gives, byte for byte, what it must, on every board."""
        return all(run.difference is None for run in self.runs)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "validation", "passed": self.passed, **asdict(self)}
