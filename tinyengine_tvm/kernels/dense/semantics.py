# SPDX-License-Identifier: Apache-2.0
"""Numpy semantics of dense."""

from __future__ import annotations

import numpy as np

from ...network import Dense, Network
from ...network.arithmetic import requantisation_of, requantise


def dense_reference(network: Network, layer: Dense, inputs: list[np.ndarray]) -> np.ndarray:
    """int8 [rows, in] to int8 [rows, out]."""
    x = inputs[0].astype(np.int64) - network.input_of(layer).zero_point
    sums = x @ layer.weight.astype(np.int64).T + layer.bias
    accumulator = sums.astype(np.uint64).astype(np.uint32).view(np.int32)
    return requantise(accumulator, requantisation_of(network, layer))
