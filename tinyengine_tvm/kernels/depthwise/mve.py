# SPDX-License-Identifier: Apache-2.0
"""depthwise_conv2d on cores with MVE: kernels up to 3 x 3, strides 1 and 2, channel by channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...network import DepthwiseConv2D, Network
from ...targets import Target
from ..base import Code, Configuration, Constant, Kernel, Operands
from ..geometry import Geometry, geometry_of
from ..mve.depthwise import DepthwiseRoutine
from ..mve.gemm import scaling_words
from ..mve.requantise import live_weight, scaling_of

GROUP = 8
"""Columns that are gathered at a time."""
BLOCK = 4
"""Columns of outputs that are computed at a time."""
_LANES = (0, 2, 1, 3)
"""Columns of a block at stride 1, in the order of the lanes."""


@dataclass(frozen=True)
class Grid:
    """One dimension of the image as the routine sees it."""

    size: int
    out: int
    pad: int
    x_step: int
    """Bytes from one element of this dimension to the next, of the input"""
    y_step: int


@dataclass(frozen=True)
class Layout:
    """The way through the image: rows are taken in pairs, columns one after the other."""

    rows: Grid
    columns: Grid
    stride: int

    @classmethod
    def of(cls, g: Geometry, transposed: bool) -> Layout:
        """Rows of the routine are rows of the image, or its columns."""
        vertical = Grid(
            g.height, g.out_height, g.pad_top, g.width * g.depth, g.out_width * g.channels
        )
        horizontal = Grid(g.width, g.out_width, g.pad_left, g.depth, g.channels)
        if transposed:
            return cls(horizontal, vertical, g.sy)
        return cls(vertical, horizontal, g.sy)

    @property
    def strips(self) -> int:
        """Outputs' rows, two at a time at stride 1."""
        return -(-self.rows.out // 2) if self.stride == 1 else self.rows.out

    @property
    def groups(self) -> int:
        return -(-self.columns.size // GROUP)

    @property
    def blocks(self) -> int:
        return -(-self.columns.out // BLOCK)

    @property
    def cost(self) -> int:
        """About how many instructions a channel takes."""
        block = 28 if self.stride == 1 else 21
        return (self.strips + 1) * (14 * self.groups + 12) + self.strips * (
            20 + block * self.blocks
        )

    @property
    def addressable(self) -> bool:
        """Whether every column lies within 16 bits of the first, as gathers and scatters want it."""
        reads = GROUP * self.groups * self.columns.x_step
        writes = self.rows.y_step + BLOCK * self.columns.y_step
        return max(reads, writes) < 1 << 16

    @property
    def halves_bytes(self) -> int:
        return 2 * GROUP * self.groups

    @property
    def words_bytes(self) -> int:
        """Words that are written, and those that the last block reads."""
        c = self.columns
        written = c.pad + max(GROUP * self.groups, c.size + 4)
        return 4 * max(written, BLOCK * self.blocks * self.stride + 4)

    def table(self, zero_point: int) -> np.ndarray:
        """int32 [pairs of rows, 8]: the rows' offsets, what is kept of their bytes and what is added,
        and of the strip that ends with this pair: offset of its outputs, full blocks, lanes to store.
        """
        zero, result = zero_point & 0xFF, []
        full, rest = divmod(self.columns.out, BLOCK)
        for pair in range(self.strips + 1):
            kept = added = 0
            offsets = []
            for i in range(2):
                row = 2 * pair - self.rows.pad + i
                inside = 0 <= row < self.rows.size
                kept |= (0xFF if inside else 0) << (8 * i)
                added |= (0 if inside else zero) << (8 * i)
                offsets.append(min(max(row, 0), self.rows.size - 1) * self.rows.x_step)
            strip = pair - 1
            if strip < 0:
                result.append([*offsets, kept, added, 0, 0, 0, 0])
                continue
            first = strip * (2 if self.stride == 1 else 1)
            lone = self.stride == 1 and first + 1 == self.rows.out
            lanes = _LANES if self.stride == 1 else range(BLOCK)
            masks = [
                sum(
                    (0x3 if lone else 0xF) << (4 * lane)
                    for lane, column in enumerate(lanes)
                    if column < count
                )
                for count in (BLOCK, rest)
            ]
            result.append([*offsets, kept, added, first * self.rows.y_step, full, *masks])
        return np.array(result, np.int32).reshape(-1)

    def gather(self) -> list[int]:
        return [i * self.columns.x_step for i in range(GROUP)]

    def store(self) -> list[int]:
        """Four words: offsets of four outputs, or of eight in halfwords."""
        step = self.columns.y_step
        if self.stride == 2:
            return [i * step for i in range(BLOCK)]
        below = self.rows.y_step
        return [c * step | (c * step + below) << 16 for c in _LANES]


def layouts(g: Geometry) -> list[bool]:
    """Whether to go through the image column by column: the ways that work, the cheaper first."""
    ways = [(Layout.of(g, t).cost, t) for t in (False, True) if Layout.of(g, t).addressable]
    return [t for _, t in sorted(ways)]


def records(weight: np.ndarray, words: np.ndarray, transposed: bool) -> np.ndarray:
    """int32 per channel: 4 x 4 weights, column after column, then the constants of the scaling."""
    if transposed:
        weight = weight.transpose(1, 0, 2)
    square = np.zeros((weight.shape[2], 4, 4), np.int8)
    square[:, : weight.shape[1], : weight.shape[0]] = weight.transpose(2, 1, 0)
    packed = square.reshape(len(square), 16).view(np.int32)
    return np.hstack([packed, words]).reshape(-1)


class DepthwiseMve(Kernel[DepthwiseConv2D]):
    """Kernels up to 3 x 3 with depth multiplier 1. Configuration: `transposed`, the way through the
    image."""

    name = "depthwise3x3_s8_2x2_mve"
    layer = DepthwiseConv2D

    def supports(self, network: Network, layer: DepthwiseConv2D, target: Target) -> bool:
        g = geometry_of(network, layer)
        return (
            target.has("mve")
            and layer.multiplier == 1
            and max(g.kh, g.kw) <= 3
            and g.sy == g.sx
            and g.sy in (1, 2)
            and bool(layouts(g))
            and scaling_of(network, layer) is not None
        )

    def configurations(
        self, network: Network, layer: DepthwiseConv2D, target: Target
    ) -> Sequence[Configuration]:
        return [{"transposed": t} for t in layouts(geometry_of(network, layer))]

    def scratch(
        self, network: Network, layer: DepthwiseConv2D, configuration: Configuration
    ) -> int:
        layout = Layout.of(geometry_of(network, layer), configuration["transposed"])
        return layout.halves_bytes + layout.words_bytes

    def in_place(
        self, network: Network, layer: DepthwiseConv2D, configuration: Configuration
    ) -> tuple[int, ...]:
        """Outputs follow two rows behind the inputs that were read; other sizes could catch up."""
        g = geometry_of(network, layer)
        same = (g.out_height, g.out_width) == (g.height, g.width)
        smaller = g.out_width <= g.width and g.out_height <= g.height
        padded = max(g.pad_top, g.pad_left) <= 2
        return (0,) if padded and (same or (smaller and not configuration["transposed"])) else ()

    def emit(self, network: Network, layer: DepthwiseConv2D, configuration: Configuration) -> Code:
        g, transposed = geometry_of(network, layer), configuration["transposed"]
        layout = Layout.of(g, transposed)
        scaling = scaling_of(network, layer)
        assert scaling is not None
        routine = DepthwiseRoutine(scaling.kind, layout.stride, layer.clamp != (-128, 127))
        zero_in = network.input_of(layer).zero_point
        low, high = layer.clamp
        columns = layout.columns
        fields = {
            "width": columns.size,
            "group_step": GROUP * columns.x_step,
            "padding": f"{(zero_in & 0xFF) * 0x01010101}u",
            "y_step": BLOCK * columns.y_step,
            "channels": g.channels,
            "zero_point": network.output_of(layer).zero_point,
            "gather": "{" + ", ".join(map(str, layout.gather())) + "}",
            "store": "{" + ", ".join(f"{v}u" for v in layout.store()) + "}",
            "low": low,
            "high": high,
        }
        table = layout.table(zero_in)
        own = ", ".join(f".{name} = {value}" for name, value in fields.items())
        sizes = f"{layout.halves_bytes}, {layout.words_bytes}, {columns.pad}, {table.size}"
        weight = live_weight(layer, scaling)

        def call(operands: Operands, names: Sequence[str]) -> str:
            c = operands.constant
            return (
                f"{{\n    static const struct te_mve_depthwise_sizes layer = {{{{{own}}},\n"
                f"        {sizes}}};\n    te_mve_depthwise_run({names[0]}, {operands.inputs[0]},\n"
                f"        {c('record')}, {c('table')}, &layer, {operands.scratch}, "
                f"{operands.output});\n}}"
            )

        constants = (
            Constant("record", records(weight, scaling_words(scaling), transposed)),
            Constant("table", table),
        )
        return Code((routine.function(),), constants, call)
