# SPDX-License-Identifier: Apache-2.0
"""depthwise_conv2d on cores with MVE where a channel's inputs fit a vector: any kernel and stride."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...network import DepthwiseConv2D, Network
from ...targets import Target
from ..base import Code, Configuration, Constant, Kernel, Operands
from ..geometry import Geometry, geometry_of
from ..mve.gemm import scaling_words
from ..mve.plane import LANES, PlaneRoutine, lane_output
from ..mve.requantise import live_weight, scaling_of

MOST_OUTPUTS = 16
ZERO_POINT = -128
"""Of the input, as every relu gives it: only then are inputs less their zero point bytes."""


def _table_size(g: Geometry) -> tuple[int, int]:
    """Rows and columns of the kernel with the border that its movement needs."""
    return g.height + (g.out_height - 1) * g.sy, g.width + (g.out_width - 1) * g.sx


def _table_bytes(g: Geometry) -> int:
    rows, columns = _table_size(g)
    return -(-rows * columns // 4) * 4


def _starts(g: Geometry) -> tuple[int, ...]:
    """Per output, where the weights of the plane's first input lie in the table."""
    _, columns = _table_size(g)
    return tuple(
        (g.out_height - 1 - y) * g.sy * columns + (g.out_width - 1 - x) * g.sx
        for y in range(g.out_height)
        for x in range(g.out_width)
    )


def _records(g: Geometry, weight: np.ndarray, words: np.ndarray) -> np.ndarray:
    """int32 per channel: constants of the scaling, then the table of weights + 128."""
    rows, columns = _table_size(g)
    table = np.zeros((g.channels, rows, columns), np.int64)
    # The table's element (i, j) is the tap that the first output moves onto input (i, j) - border.
    up, left = (g.out_height - 1) * g.sy - g.pad_top, (g.out_width - 1) * g.sx - g.pad_left
    for i in range(rows):
        for j in range(columns):
            if 0 <= i - up < g.kh and 0 <= j - left < g.kw:
                table[:, i, j] = weight[i - up, j - left]
    padded = np.zeros((g.channels, _table_bytes(g)), np.uint8)
    padded[:, : rows * columns] = (table + 128).reshape(g.channels, -1)
    return np.hstack([words, padded.view(np.int32)]).reshape(-1)


class DepthwisePlaneMve(Kernel[DepthwiseConv2D]):
    """Planes of up to 16 inputs and outputs behind a relu, depth multiplier 1."""

    name = "depthwise_s8_plane_mve"
    layer = DepthwiseConv2D

    def supports(self, network: Network, layer: DepthwiseConv2D, target: Target) -> bool:
        g = geometry_of(network, layer)
        rows, columns = _table_size(g)
        return (
            target.has("mve")
            and layer.multiplier == 1
            and network.input_of(layer).zero_point == ZERO_POINT
            and g.height * g.width <= LANES
            and g.out_height * g.out_width <= MOST_OUTPUTS
            and rows * columns <= 256
            and LANES * g.channels < 1 << 16
            and scaling_of(network, layer) is not None
        )

    def in_place(
        self, network: Network, layer: DepthwiseConv2D, configuration: Configuration
    ) -> tuple[int, ...]:
        """A channel has been read when its outputs are written, and they touch no other's inputs."""
        x, y = network.input_of(layer), network.output_of(layer)
        return (0,) if y.nbytes <= x.nbytes else ()

    def emit(self, network: Network, layer: DepthwiseConv2D, configuration: Configuration) -> Code:
        g = geometry_of(network, layer)
        scaling = scaling_of(network, layer)
        assert scaling is not None
        clamped = layer.clamp != (-128, 127)
        routine = PlaneRoutine(
            scaling.kind, g.height * g.width, _starts(g), _table_bytes(g), clamped
        )
        weight = live_weight(layer, scaling)
        words = scaling_words(scaling).astype(np.int64)
        # Inputs arrive less their zero point, so that isn't part of the bias here.
        words[:, 0] += ZERO_POINT * weight.astype(np.int64).sum(axis=(0, 1))
        words = words.astype(np.uint64).astype(np.uint32).view(np.int32)
        _, columns = _table_size(g)
        size = g.height * g.width
        # Vectors of halfwords: the second is moved into the upper bytes of the first. Lanes without
        # an input read the first one, and are masked.
        places = [lane if lane < size else 0 for lane in range(LANES)]
        own = [lane // 2 + 8 * (lane % 2) for lane in range(LANES)]
        weights = [lane // g.width * columns + lane % g.width if lane < size else 0 for lane in own]
        outputs = [8 * (lane // 8) + lane_output(lane % 8) for lane in range(LANES)]
        count = g.out_height * g.out_width
        store = [o * g.channels if o < count else 0 for o in outputs]
        fields = [
            f"{g.channels}, {layer.clamp[0]}, {layer.clamp[1]}, 0, {ZERO_POINT}",
            str(network.output_of(layer).zero_point),
            _list([p * g.channels for p in places]),
            _list(weights),
            _list(store),
            _list([255 if lane < size else 0 for lane in own]),
        ]

        def call(operands: Operands, names: Sequence[str]) -> str:
            return (
                f"{{\n    static const struct te_mve_plane layer = {{{', '.join(fields)}}};\n"
                f"    {names[0]}(&layer, {operands.inputs[0]}, {operands.output}, "
                f"{operands.constant('record')});\n}}"
            )

        constants = (Constant("record", _records(g, weight, words)),)
        return Code((routine.function(),), constants, call)


def _list(values: list[int]) -> str:
    return "{" + ", ".join(map(str, values)) + "}"
