# SPDX-License-Identifier: Apache-2.0
"""conv2d on cores with MVE: windows of four pixels at a time, two channels per block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...network import Conv2D, Dense, Network
from ...targets import Target
from ..base import Code, Configuration, Kernel, Objective, Operands
from ..geometry import Geometry, geometry_of
from ..mve.gemm import CHUNK, PIXELS, Gemm
from ..mve.requantise import scaling_of
from ..mve.window import VECTOR, copied_bytes, window_copy

MOST_ROOM = 16
"""Windows that are copied before they are multiplied."""
ROOM_BYTES = 2048
UNROLLS = (4, 7, 1)
"""Chunks of 16 inputs in code; more are looped over. The default for speed first."""


def _points(network: Network, layer: Conv2D | Dense) -> bool:
    g = geometry_of(network, layer)
    return (g.kh, g.kw, g.sy, g.sx) == (1, 1, 1, 1) and not g.padded


def _padded(network: Network, layer: Conv2D | Dense) -> int:
    g = geometry_of(network, layer)
    return -(-g.kh * g.kw * g.depth // CHUNK) * CHUNK


def gemm_configurations(network: Network, layer: Conv2D | Dense) -> list[Configuration]:
    """The default for speed first, the one for size last."""
    if _points(network, layer):
        return [{"unroll": u, "room": PIXELS} for u in UNROLLS]
    g = geometry_of(network, layer)
    fitting = ROOM_BYTES // _padded(network, layer) // PIXELS * PIXELS
    pixels = -(-g.out_height * g.out_width // PIXELS) * PIXELS
    room = min(max(fitting, PIXELS), MOST_ROOM, pixels)
    return [{"unroll": u, "room": r} for u in UNROLLS for r in {room: 0, PIXELS: 0}]


def gemm_scratch(network: Network, layer: Conv2D | Dense, configuration: Configuration) -> int:
    """Copies of windows, or of the last four pixels where vectors would reach past the tensor."""
    padded = _padded(network, layer)
    if not _points(network, layer):
        return int(configuration["room"]) * padded + VECTOR
    depth = geometry_of(network, layer).depth
    return 0 if padded == depth else (PIXELS - 1) * depth + padded


def _inside(size: int, kernel: int, stride: int, before: int, count: int) -> tuple[int, int]:
    """First and end of the outputs of one dimension whose windows lie inside."""
    first = -(-before // stride)
    end = (size + before - kernel) // stride + 1
    return first, min(max(end, 0), count)


def _image(g: Geometry, sizes: str, room: int, zero_point: int) -> str:
    """The initialiser of a struct te_mve_image."""
    length, width = g.kw * g.depth, g.width * g.depth
    padded = -(-g.kh * length // CHUNK) * CHUNK
    rows = _inside(g.height, g.kh, g.sy, g.pad_top, g.out_height)
    columns = _inside(g.width, g.kw, g.sx, g.pad_left, g.out_width)
    # In raster order, windows end further and further back.
    first = (g.kh - 1) * width + copied_bytes(length) - g.pad_top * width - g.pad_left * g.depth
    pixels = np.arange(g.out_height * g.out_width)
    row, column = np.divmod(pixels, g.out_width)
    end = first + row * g.sy * width + column * g.sx * g.depth
    end_pixel = int(np.argmax(np.append(end, g.height * width + 1) > g.height * width))
    values = [
        g.height,
        g.out_width,
        g.kh,
        length,
        g.sy,
        g.pad_top,
        g.pad_left * g.depth,
        zero_point,
        room,
        *rows,
        *columns,
        end_pixel,
    ]
    steps = f"{{{width}, {g.sx * g.depth}, {padded}}}"
    return f"{{{sizes}, {steps}, {', '.join(map(str, values))}}}"


def gemm_overlap(
    network: Network, layer: Conv2D | Dense, configuration: Configuration
) -> Mapping[int, int]:
    """Pixels are computed in blocks, whose windows have been copied, or are read until they end."""
    g = geometry_of(network, layer)
    points = _points(network, layer)
    pixels = np.arange(g.out_height * g.out_width)
    row, column = np.divmod(pixels, g.out_width)
    top, left = np.maximum(row * g.sy - g.pad_top, 0), np.maximum(column * g.sx - g.pad_left, 0)
    first_read = (top * g.width + left) * g.depth
    # Windows over the upper border begin in the same row, so later ones may begin further left.
    first_read = np.minimum.accumulate(first_read[::-1])[::-1]
    block = PIXELS if points else int(configuration["room"])
    # Rooms that aren't filled are taken in whole fours first.
    starts = np.union1d(pixels[::block], len(pixels) // PIXELS * PIXELS)
    starts = starts[starts < len(pixels)]
    written = np.append(starts[1:], len(pixels)) * g.channels
    needed = first_read[starts]
    lead = np.max(written - needed) if points else np.max(written[:-1] - needed[1:], initial=0)
    return {0: max(0, len(pixels) * g.channels - max(0, int(lead)))}


def gemm_code(network: Network, layer: Conv2D | Dense, configuration: Configuration) -> Code:
    """The C of a convolution, or of a dense layer over several rows."""
    g = geometry_of(network, layer)
    gemm = Gemm(network, layer, configuration["unroll"])
    sizes = gemm.sizes(g.out_height * g.out_width)
    functions = [gemm.routine.function()]
    if _points(network, layer):
        kind, driver, initialiser = "sizes", "te_mve_points", sizes
    else:
        kind, driver = "image", "te_mve_windows"
        zero = network.input_of(layer).zero_point
        initialiser = _image(g, sizes, configuration["room"], zero)
        functions.append(window_copy(g.kh, g.kw * g.depth))
    helpers = (*functions[0].helpers, "te_mve_copy", driver)
    functions[0] = replace(functions[0], helpers=helpers)

    def call(operands: Operands, names: Sequence[str]) -> str:
        return (
            f"{{\n    static const struct te_mve_{kind} layer = {initialiser};\n"
            f"    {driver}({', '.join(names)}, {operands.inputs[0]},\n"
            f"        {operands.constant('weight')}, &layer, {operands.scratch}, "
            f"{operands.output});\n}}"
        )

    return Code(tuple(functions), (gemm.stream(),), call)


class Conv2DMve(Kernel[Conv2D]):
    """Any kernel, stride and padding. Configurations: `unroll` chunks of 16 inputs in code, `room`
    windows in the scratch."""

    name = "conv2d_s8_2x4_mve"
    layer = Conv2D

    def supports(self, network: Network, layer: Conv2D, target: Target) -> bool:
        return (
            target.has("mve")
            and 3 * len(layer.bias) + 1 < 1 << 16
            and scaling_of(network, layer) is not None
        )

    def configurations(
        self, network: Network, layer: Conv2D, target: Target
    ) -> Sequence[Configuration]:
        return gemm_configurations(network, layer)

    def choose(
        self, network: Network, layer: Conv2D, target: Target, objective: Objective
    ) -> Configuration:
        return gemm_configurations(network, layer)[0 if objective == "speed" else -1]

    def scratch(self, network: Network, layer: Conv2D, configuration: Configuration) -> int:
        return gemm_scratch(network, layer, configuration)

    def overlap(
        self, network: Network, layer: Conv2D, configuration: Configuration
    ) -> Mapping[int, int]:
        return gemm_overlap(network, layer, configuration)

    def emit(self, network: Network, layer: Conv2D, configuration: Configuration) -> Code:
        return gemm_code(network, layer, configuration)
