# SPDX-License-Identifier: Apache-2.0
"""reshape: nothing to compute, as the planner gives input and output one buffer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..network import Network, Reshape
from .base import Code, Configuration, Kernel, Operands


def reshape_reference(network: Network, layer: Reshape, inputs: list[np.ndarray]) -> np.ndarray:
    """The same elements under the output's shape."""
    return inputs[0].reshape(network.output_of(layer).shape)


class ReshapePortable(Kernel[Reshape]):
    """A copy where the two ends are buffers of the caller, else no code."""

    name = "reshape_portable"
    layer = Reshape

    def emit(self, network: Network, layer: Reshape, configuration: Configuration) -> Code:
        size = network.output_of(layer).nbytes

        def call(operands: Operands, names: Sequence[str]) -> str:
            if operands.inputs[0] == operands.output:
                return ""
            return f"memmove({operands.output}, {operands.inputs[0]}, {size});"

        return Code(call=call)


KERNELS = (ReshapePortable(),)
REFERENCE = {Reshape: reshape_reference}
