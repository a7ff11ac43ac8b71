# SPDX-License-Identifier: Apache-2.0
"""dense in portable C: a 1x1 convolution over the rows."""

from __future__ import annotations

from ...network import Dense, Network
from ...network.macs import layer_macs
from ...targets import Target
from ..base import Code, Configuration, Cost, Kernel
from ..conv2d.portable import emit_convolution
from ..geometry import geometry_of, raster_overlap

MAC_INSTRUCTIONS, OUTPUT_INSTRUCTIONS, CODE_BYTES = 4, 40, 260
"""Measured on Cortex-M4."""


class DensePortable(Kernel[Dense]):
    """Any size."""

    name = "dense_s8_portable"
    layer = Dense

    def costs(
        self, network: Network, layer: Dense, target: Target
    ) -> list[tuple[Configuration, Cost]]:
        """Where hardly anything is to be computed, code of a fifth of the fast routines' is best."""
        outputs, macs = network.output_of(layer).elements, layer_macs(network, layer)
        channels = len(layer.bias)
        own = ("dense", layer.weight.shape, outputs, layer.clamp)
        instructions = MAC_INSTRUCTIONS * macs + OUTPUT_INSTRUCTIONS * outputs
        return [({}, Cost(instructions, {own: CODE_BYTES}, layer.weight.size + 9 * channels))]

    def overlap(
        self, network: Network, layer: Dense, configuration: Configuration
    ) -> dict[int, int]:
        """Row by row; a row is read again for every four outputs."""
        return {0: raster_overlap(geometry_of(network, layer), window_kept=False)}

    def emit(self, network: Network, layer: Dense, configuration: Configuration) -> Code:
        return emit_convolution(network, layer)
