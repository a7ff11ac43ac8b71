# SPDX-License-Identifier: Apache-2.0
"""Whether a compiled network computes what its model does, and where they part if it doesn't."""

from .data import quantised, read_labels, samples_for
from .result import Difference, LayerResult, Run, Validation
from .validation import Options, validate

__all__ = [
    "Difference",
    "LayerResult",
    "Options",
    "Run",
    "Validation",
    "quantised",
    "read_labels",
    "samples_for",
    "validate",
]
