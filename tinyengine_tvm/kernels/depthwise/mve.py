# SPDX-License-Identifier: Apache-2.0
"""depthwise_conv2d on cores with MVE: kernels up to 7 x 7, strides 1 and 2, channel by channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...network import DepthwiseConv2D, Network
from ...targets import Target
from ..base import Code, Configuration, Constant, Kernel, Operands
from ..geometry import Geometry, geometry_of
from ..mve.depthwise import TABLE, DepthwiseRoutine
from ..mve.gemm import scaling_words
from ..mve.requantise import live_weight, scaling_of

GROUP = 8
"""Columns that are gathered at a time."""
BLOCK = 4
"""Columns of outputs that are computed at a time."""
MOST_PADDING = 4
"""The columns behind the image that are filled in any case."""
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
    window: int
    """4 for kernels up to 3 x 3, 8 for kernels up to 7 x 7"""

    @classmethod
    def of(cls, g: Geometry, transposed: bool) -> Layout:
        """Rows of the routine are rows of the image, or its columns."""
        vertical = Grid(
            g.height, g.out_height, g.pad_top, g.width * g.depth, g.out_width * g.channels
        )
        horizontal = Grid(g.width, g.out_width, g.pad_left, g.depth, g.channels)
        window = 4 if max(g.kh, g.kw) <= 3 else 8
        if transposed:
            return cls(horizontal, vertical, g.sy, window)
        return cls(vertical, horizontal, g.sy, window)

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
        block = {(4, 1): 28, (4, 2): 21, (8, 1): 76, (8, 2): 46}[self.window, self.stride]
        return self.pairs * (14 * self.groups + 13) + self.strips * (20 + block * self.blocks)

    @property
    def pairs(self) -> int:
        """Pairs of rows that are gathered for a channel."""
        return self.strips + (1 if self.window == 4 else 3)

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
    def row_bytes(self) -> int:
        """A row of words: those that are written, and those that the last block reads."""
        c = self.columns
        written = c.pad + max(GROUP * self.groups, c.size + self.window)
        return 4 * max(written, BLOCK * self.blocks * self.stride + self.window)

    @property
    def words_bytes(self) -> int:
        """All rows of words."""
        return self.row_bytes * (1 if self.window == 4 else 3)

    @property
    def lanes(self) -> tuple[int, ...]:
        """The columns of a block in the order of the lanes."""
        return _LANES if (self.window, self.stride) == (4, 1) else tuple(range(BLOCK))

    def table(self, zero_point: int) -> np.ndarray:
        """int32 [pairs of rows, 10 or 13].

        Offsets of the rows, columns that need care, what is added to their bytes and what is kept,
        groups of columns that need none; and of the strip that ends with this pair, where its outputs
        begin, full blocks, and lanes to store. Large windows: also the row of words to write, and
        the upper and lower one.
        """
        zero, result = zero_point & 0xFF, []
        for pair in range(self.pairs):
            kept = added = 0
            columns_left, groups = self.columns.size, 0
            offsets = []
            for i in range(2):
                row = 2 * pair - self.rows.pad + i
                inside = 0 <= row < self.rows.size
                kept |= (0xFF if inside else 0) << (8 * i)
                added |= (0 if inside else zero) << (8 * i)
                offsets.append(min(max(row, 0), self.rows.size - 1) * self.rows.x_step)
            if kept == 0xFFFF:
                groups, columns_left = divmod(self.columns.size, GROUP)
            y, blocks, full, rest = self._strip(pair - (self.pairs - self.strips))
            if self.window == 4:
                own = [*offsets, columns_left, added, kept, groups]
                result.append([*own, y, blocks, full, rest])
                continue
            lower, upper = (self.row_bytes * ((pair + back) % 3) for back in (0, 1))
            own = [*offsets, columns_left, added, kept, lower, groups]
            result.append([*own, y, upper, blocks, lower, full, rest])
        return np.array(result, np.int32).reshape(len(result), TABLE[self.window]).reshape(-1)

    def _strip(self, strip: int) -> tuple[int, int, int, int]:
        """Offset of the outputs, full blocks, and lanes to store of a full and of a last block."""
        if strip < 0:
            return 0, 0, 0, 0
        first = strip * (2 if self.stride == 1 else 1)
        lone = self.stride == 1 and first + 1 == self.rows.out
        blocks, rest = divmod(self.columns.out, BLOCK)
        full, last = (
            sum(
                (0x3 if lone else 0xF) << (4 * lane)
                for lane, column in enumerate(self.lanes)
                if column < count
            )
            for count in (BLOCK, rest)
        )
        return first * self.rows.y_step, blocks, full, last

    def gather(self) -> list[int]:
        return [i * self.columns.x_step for i in range(GROUP)]

    def store(self) -> list[int]:
        """Four words: offsets of four outputs, or of eight in halfwords."""
        step = self.columns.y_step
        if self.stride == 2:
            return [i * step for i in range(BLOCK)]
        below = self.rows.y_step
        return [c * step | (c * step + below) << 16 for c in self.lanes]


def layouts(g: Geometry) -> list[bool]:
    """Whether to go through the image column by column: the ways that work, the cheaper first."""
    ways = [(Layout.of(g, t).cost, t) for t in (False, True) if Layout.of(g, t).addressable]
    return [t for _, t in sorted(ways)]


def records(weight: np.ndarray, words: np.ndarray, window: int, transposed: bool) -> np.ndarray:
    """int32 per channel: weights, 4 x 4 by 4 x 4 and in them column after column, then the constants
    of the scaling."""
    if transposed:
        weight = weight.transpose(1, 0, 2)
    height, width, channels = weight.shape
    square = np.zeros((channels, window, window), np.int8)
    square[:, :height, :width] = weight.transpose(2, 0, 1)
    # [channels, upper or lower, row, left or right, column]
    parts = square.reshape(channels, window // 4, 4, window // 4, 4).transpose(0, 1, 3, 4, 2)
    packed = np.ascontiguousarray(parts).reshape(channels, -1).view(np.int32)
    return np.hstack([packed, words]).reshape(-1)


class DepthwiseMve(Kernel[DepthwiseConv2D]):
    """Kernels up to 7 x 7 with depth multiplier 1. Configuration: `transposed`, the way through the
    image."""

    name = "depthwise_s8_2x4_mve"
    layer = DepthwiseConv2D

    def supports(self, network: Network, layer: DepthwiseConv2D, target: Target) -> bool:
        g = geometry_of(network, layer)
        return (
            target.has("mve")
            and layer.multiplier == 1
            and max(g.kh, g.kw) <= 7
            and max(g.pad_top, g.pad_left, g.pad_bottom, g.pad_right) <= MOST_PADDING
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
        padded = max(g.pad_top, g.pad_left) <= (2 if max(g.kh, g.kw) <= 3 else 4)
        return (0,) if padded and (same or (smaller and not configuration["transposed"])) else ()

    def emit(self, network: Network, layer: DepthwiseConv2D, configuration: Configuration) -> Code:
        g, transposed = geometry_of(network, layer), configuration["transposed"]
        layout = Layout.of(g, transposed)
        scaling = scaling_of(network, layer)
        assert scaling is not None
        routine = DepthwiseRoutine(
            scaling.kind, layout.window, layout.stride, layer.clamp != (-128, 127)
        )
        zero_in = network.input_of(layer).zero_point
        low, high = layer.clamp
        columns = layout.columns
        fields = {
            "after": 4 * (columns.size - GROUP * layout.groups),
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
            Constant("record", records(weight, scaling_words(scaling), layout.window, transposed)),
            Constant("table", table),
        )
        return Code((routine.function(),), constants, call)
