# SPDX-License-Identifier: Apache-2.0
"""dense in portable C: a 1x1 convolution over the rows."""

from __future__ import annotations

from ...network import Dense, Network
from ..base import Code, Configuration, Kernel
from ..conv2d.portable import emit_convolution
from ..geometry import geometry_of, raster_overlap


class DensePortable(Kernel[Dense]):
    """Any size."""

    name = "dense_s8_portable"
    layer = Dense

    def overlap(
        self, network: Network, layer: Dense, configuration: Configuration
    ) -> dict[int, int]:
        """Row by row; a row is read again for every four outputs."""
        return {0: raster_overlap(geometry_of(network, layer), window_kept=False)}

    def emit(self, network: Network, layer: Dense, configuration: Configuration) -> Code:
        return emit_convolution(network, layer)
