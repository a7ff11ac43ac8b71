# SPDX-License-Identifier: Apache-2.0
"""dense on cores with MVE: a few rows one by one, many rows as the pixels of a convolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...network import Dense, Network
from ...targets import Target
from ..base import Code, Configuration, Kernel, Objective, Operands
from ..conv2d.mve import gemm_code, gemm_configurations, gemm_overlap, gemm_scratch
from ..geometry import geometry_of, raster_overlap
from ..mve.gemv import Gemv
from ..mve.requantise import scaling_of

FEW_ROWS = 2
"""Rows up to which eight channels of one are fewer instructions than two channels of four."""
UNROLLS = (4, 8, 2, 1)


class DenseMve(Kernel[Dense]):
    """Any size. Configuration: `unroll`, chunks of 16 inputs in code."""

    name = "dense_s8_8_mve"
    layer = Dense

    def supports(self, network: Network, layer: Dense, target: Target) -> bool:
        rows, _ = network.input_of(layer).shape
        return target.has("mve") and rows <= FEW_ROWS and scaling_of(network, layer) is not None

    def configurations(
        self, network: Network, layer: Dense, target: Target
    ) -> Sequence[Configuration]:
        return [{"unroll": u} for u in UNROLLS]

    def choose(
        self, network: Network, layer: Dense, target: Target, objective: Objective
    ) -> Configuration:
        return {"unroll": UNROLLS[0 if objective == "speed" else -1]}

    def scratch(self, network: Network, layer: Dense, configuration: Configuration) -> int:
        return Gemv(network, layer, configuration["unroll"]).scratch

    def overlap(
        self, network: Network, layer: Dense, configuration: Configuration
    ) -> Mapping[int, int]:
        # A row is read again for every eight channels.
        return {0: raster_overlap(geometry_of(network, layer), window_kept=False)}

    def emit(self, network: Network, layer: Dense, configuration: Configuration) -> Code:
        gemv = Gemv(network, layer, configuration["unroll"])

        def call(operands: Operands, names: Sequence[str]) -> str:
            return (
                f"{{\n    static const struct te_mve_gemv_sizes layer = {gemv.sizes()};\n"
                f"    te_mve_gemv_rows({names[0]}, {operands.inputs[0]}, "
                f"{operands.constant('weight')},\n"
                f"        &layer, {operands.scratch}, {operands.output});\n}}"
            )

        return Code((gemv.routine.function(),), (gemv.stream(),), call)


class DenseRowsMve(Kernel[Dense]):
    """Any size; a row counts as a pixel."""

    name = "dense_s8_2x4_mve"
    layer = Dense

    def supports(self, network: Network, layer: Dense, target: Target) -> bool:
        return (
            target.has("mve")
            and 3 * len(layer.bias) + 1 < 1 << 16
            and scaling_of(network, layer) is not None
        )

    def configurations(
        self, network: Network, layer: Dense, target: Target
    ) -> Sequence[Configuration]:
        return gemm_configurations(network, layer)

    def choose(
        self, network: Network, layer: Dense, target: Target, objective: Objective
    ) -> Configuration:
        return gemm_configurations(network, layer)[0 if objective == "speed" else -1]

    def scratch(self, network: Network, layer: Dense, configuration: Configuration) -> int:
        return gemm_scratch(network, layer, configuration)

    def overlap(
        self, network: Network, layer: Dense, configuration: Configuration
    ) -> Mapping[int, int]:
        return gemm_overlap(network, layer, configuration)

    def emit(self, network: Network, layer: Dense, configuration: Configuration) -> Code:
        return gemm_code(network, layer, configuration)
