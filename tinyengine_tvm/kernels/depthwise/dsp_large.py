# SPDX-License-Identifier: Apache-2.0
"""depthwise_conv2d with larger kernels for cores with the DSP extension."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from ...network import DepthwiseConv2D, Network
from ...targets import Target
from ..base import Code, Configuration, Function, Kernel, Objective
from ..dsp.routine import HELPER
from ..geometry import Geometry, geometry_of
from .arithmetic import Prepared, as_words, pairs, prepare
from .lanes import LaneRoutine, Trim, can_trim, worth_trimming
from .plane import Plane, fits_in_place, free_scratch, layer_code, lighter_bands
from .spread import QUAD, Lanes, middle_quads, spread_text
from .wide import WideStride2, best_columns, most_columns

HELPERS = (HELPER, "te_depthwise")
LANE_BITS = 21


class DepthwiseLanes(Kernel[DepthwiseConv2D]):
    """Stride 1, kernels of up to 8 columns, channel by channel with four products per instruction.

    Configurations: `band`, rows of the output at a time; `trim`, whether rows of padding are passed
    over, which needs the whole plane at once.
    """

    name = "depthwise_s8_lanes_dsp"
    layer = DepthwiseConv2D

    def supports(self, network: Network, layer: DepthwiseConv2D, target: Target) -> bool:
        g = geometry_of(network, layer)
        taps = np.abs(layer.weight.astype(np.int64)).sum(axis=(0, 1))
        return (
            target.has("dsp")
            and _common(g, layer)
            and (g.sy, g.sx) == (1, 1)
            and bool(_lane_bands(g))
            and int(taps.max()) * 128 < 1 << (LANE_BITS - 1)
            and prepare(network, layer, scaled_taps=False) is not None
        )

    def configurations(
        self, network: Network, layer: DepthwiseConv2D, target: Target
    ) -> Sequence[Configuration]:
        g = geometry_of(network, layer)
        space = [self.choose(network, layer, target, "speed")]
        space += [{"band": b, "trim": False} for b in _lane_bands(g)]
        if _trimmable(network, layer):
            space.append({"band": g.out_height, "trim": True})
        return [c for i, c in enumerate(space) if c not in space[:i]]

    def choose(
        self, network: Network, layer: DepthwiseConv2D, target: Target, objective: Objective
    ) -> Configuration:
        g = geometry_of(network, layer)
        allowed = free_scratch(network, layer)
        bands = _lane_bands(g)
        if (
            _trimmable(network, layer)
            and worth_trimming(_trim(g), g.kh, (g.kw + 1) // 2, g.out_width // 2 + 1)
            and _lane_plane(g, g.out_height, True).bytes <= allowed
        ):
            return {"band": g.out_height, "trim": True}
        fitting = [b for b in bands if _lane_plane(g, b, False).bytes <= allowed]
        return {"band": max(fitting or bands[:1]), "trim": False}

    def context(self, network: Network, layer: DepthwiseConv2D, target: Target) -> Hashable:
        g = geometry_of(network, layer)
        if not (target.has("dsp") and _common(g, layer) and (g.sy, g.sx) == (1, 1)):
            return ()
        # The scratch that's free only decides which planes fit.
        allowed = free_scratch(network, layer)
        return tuple(size <= allowed for size in _lane_sizes(g))

    def scratch(
        self, network: Network, layer: DepthwiseConv2D, configuration: Configuration
    ) -> int:
        g = geometry_of(network, layer)
        return _lane_plane(g, configuration["band"], configuration["trim"]).bytes

    def lighter(
        self, network: Network, layer: DepthwiseConv2D, configuration: Configuration
    ) -> Sequence[tuple[Configuration, int]]:
        g = geometry_of(network, layer)
        if configuration["trim"]:
            # Only a whole plane can be trimmed, and it's the lightest that is whole.
            return ()
        return lighter_bands(
            configuration, _lane_bands(g), lambda band: _lane_plane(g, band, False)
        )

    def in_place(
        self, network: Network, layer: DepthwiseConv2D, configuration: Configuration
    ) -> tuple[int, ...]:
        """The output may lie in the input's place, beginning where it begins."""
        return (0,) if fits_in_place(geometry_of(network, layer)) else ()

    def emit(self, network: Network, layer: DepthwiseConv2D, configuration: Configuration) -> Code:
        g = geometry_of(network, layer)
        prepared = prepare(network, layer, scaled_taps=False)
        assert prepared is not None
        trimmed = configuration["trim"]
        plane = _lane_plane(g, configuration["band"], trimmed)
        trim = _trim(g) if trimmed else None
        routine = LaneRoutine(g.kh, g.kw, g.out_width, plane.row, prepared.finish, trim)
        name = f"{g.kh}x{g.kw}_w{g.out_width}_{prepared.finish.label}"
        lanes: Lanes = "centred" if trimmed else "plain"
        spread = spread_text(g.pad_left, g.width, plane.row, g.width <= 12, lanes)
        functions = (
            Function(f"te_spread_lanes_w{g.width}_left{g.pad_left}", spread, HELPERS),
            Function(f"te_depthwise_lanes_{name}", routine.text(), HELPERS),
        )
        zeros = network.input_of(layer).zero_point, network.output_of(layer).zero_point
        return layer_code(
            functions,
            plane,
            _lane_record(prepared, g, zeros[0] if trimmed else 0),
            block=1,
            quads=middle_quads(g.pad_left, g.width),
            zeros=zeros,
            distance=LANE_BITS,
            centred=trimmed,
        )


class DepthwiseStride2(Kernel[DepthwiseConv2D]):
    """Horizontal stride 2, kernels of up to 8 columns, four channels at a time in bands of rows.

    Configurations: `band`, rows of the output at a time; `columns` of the output per block; `unroll`
    blocks in a row.
    """

    name = "depthwise_s8_stride2_4ch_dsp"
    layer = DepthwiseConv2D

    def supports(self, network: Network, layer: DepthwiseConv2D, target: Target) -> bool:
        g = geometry_of(network, layer)
        pitch = QUAD * Plane.tight_row(g)
        return (
            target.has("dsp")
            and _common(g, layer)
            and g.sx == 2
            and g.sy <= g.kh
            and g.channels >= QUAD
            and pitch <= 1020
            and prepare(network, layer) is not None
        )

    def configurations(
        self, network: Network, layer: DepthwiseConv2D, target: Target
    ) -> Sequence[Configuration]:
        g = geometry_of(network, layer)
        space = [self.choose(network, layer, target, "speed")]
        for columns in range(1, most_columns((g.kw + 1) // 2) + 1):
            for unroll in (1, 2):
                for band in _bands(g):
                    space.append({"band": band, "columns": columns, "unroll": unroll})
        return [c for i, c in enumerate(space) if c not in space[:i]]

    def choose(
        self, network: Network, layer: DepthwiseConv2D, target: Target, objective: Objective
    ) -> Configuration:
        g = geometry_of(network, layer)
        allowed = free_scratch(network, layer)
        bands = _bands(g)
        band = max([b for b in bands if _stride2_plane(g, b).bytes <= allowed] or bands[:1])
        columns = best_columns(g.kh, (g.kw + 1) // 2, g.out_width)
        return {"band": band, "columns": columns, "unroll": 1}

    def context(self, network: Network, layer: DepthwiseConv2D, target: Target) -> Hashable:
        g = geometry_of(network, layer)
        if not (target.has("dsp") and _common(g, layer) and g.sx == 2):
            return ()
        # The scratch that's free only decides which planes fit.
        allowed = free_scratch(network, layer)
        return tuple(size <= allowed for size in _stride2_sizes(g))

    def scratch(
        self, network: Network, layer: DepthwiseConv2D, configuration: Configuration
    ) -> int:
        return _stride2_plane(geometry_of(network, layer), configuration["band"]).bytes

    def lighter(
        self, network: Network, layer: DepthwiseConv2D, configuration: Configuration
    ) -> Sequence[tuple[Configuration, int]]:
        g = geometry_of(network, layer)
        return lighter_bands(configuration, _bands(g), lambda band: _stride2_plane(g, band))

    def in_place(
        self, network: Network, layer: DepthwiseConv2D, configuration: Configuration
    ) -> tuple[int, ...]:
        """The output may lie in the input's place, beginning where it begins."""
        return (0,) if fits_in_place(geometry_of(network, layer)) else ()

    def emit(self, network: Network, layer: DepthwiseConv2D, configuration: Configuration) -> Code:
        g = geometry_of(network, layer)
        prepared = prepare(network, layer)
        assert prepared is not None
        plane = _stride2_plane(g, configuration["band"])
        columns = configuration["columns"]
        routine = WideStride2(
            g.kh,
            (g.kw + 1) // 2,
            g.sy,
            columns,
            plane.pitch,
            plane.row,
            configuration["unroll"],
            [g.out_width % columns],
            prepared.finish,
        )
        name = f"{g.kh}x{g.kw}_s{g.sy}x2_{columns}_{prepared.finish.label}_{plane.row}"
        spread = spread_text(g.pad_left, g.width, plane.row, g.width <= 12)
        functions = (
            Function(f"te_spread_w{g.width}_left{g.pad_left}_{plane.row}", spread, HELPERS),
            Function(f"te_depthwise_{name}", routine.text(), HELPERS),
        )
        zeros = network.input_of(layer).zero_point, network.output_of(layer).zero_point
        return layer_code(
            functions,
            plane,
            _stride2_record(prepared, g),
            block=columns,
            quads=middle_quads(g.pad_left, g.width),
            zeros=zeros,
        )


def _common(g: Geometry, layer: DepthwiseConv2D) -> bool:
    return (
        layer.multiplier == 1
        and g.kw <= 8
        and max(g.pad_top, g.pad_bottom) < g.kh
        and max(g.pad_left, g.pad_right) < g.kw
        and g.pad_left < QUAD
    )


def _bands(g: Geometry) -> list[int]:
    """Rows of the output at a time, few first."""
    return [b for b in (1, 2, 4, 8, 16) if b < g.out_height] + [g.out_height]


def _lane_row(g: Geometry, band: int) -> int:
    """Bytes of a row of the plane; where rows are moved, in steps of what is moved at once."""
    spread = -(-(g.pad_left + g.width) // QUAD) * 2
    read = g.out_width // 2 + 1 + (g.kw + 1) // 2 - 1
    row = 4 * max(spread, read)
    return row if band == g.out_height else row + -row % 32


def _lane_bands(g: Geometry) -> list[int]:
    """Those bands whose windows lie within the reach of a load."""
    return [b for b in _bands(g) if g.kh * _lane_row(g, b) <= 1020]


def _lane_plane(g: Geometry, band: int, trimmed: bool) -> Plane:
    if trimmed:
        # A plane of the input's rows alone: as if the kernel had just the rows that fit it.
        g = replace(g, pad_top=0, pad_bottom=0, kh=g.height - g.out_height + 1)
    return Plane(g, band, _lane_row(g, band), group=1, rows_at_once=1)


@lru_cache(maxsize=4096)
def _lane_sizes(g: Geometry) -> tuple[int, ...]:
    """Bytes of all planes that there are."""
    planes = [_lane_plane(g, band, False) for band in _lane_bands(g)]
    return tuple(plane.bytes for plane in [*planes, _lane_plane(g, g.out_height, True)])


@lru_cache(maxsize=4096)
def _stride2_sizes(g: Geometry) -> tuple[int, ...]:
    return tuple(_stride2_plane(g, band).bytes for band in _bands(g))


def _trim(g: Geometry) -> Trim:
    # Padding below that no window reaches doesn't count.
    return Trim(g.pad_top, g.out_height - 1 + g.kh - g.pad_top - g.height, g.out_height)


def _trimmable(network: Network, layer: DepthwiseConv2D) -> bool:
    """Whether rows can be passed over, and the lanes hold values less the zero point as well."""
    g = geometry_of(network, layer)
    zero = network.input_of(layer).zero_point
    taps = int(np.abs(layer.weight.astype(np.int64)).sum(axis=(0, 1)).max())
    fits = taps * max(128 + zero, 127 - zero) < 1 << (LANE_BITS - 1)
    return fits and can_trim(_trim(g), g.kh, (g.kw + 1) // 2)


def _stride2_plane(g: Geometry, band: int) -> Plane:
    return Plane(g, band, Plane.tight_row(g), group=QUAD, rows_at_once=1)


def _lane_record(p: Prepared, g: Geometry, zero: int) -> np.ndarray:
    """Per channel: the words of taps, bias less the start of the lanes, and the two constants.

    zero: the zero point, if the plane's values come without it.
    """
    words = []
    for y in range(g.kh):
        for x in range(0, g.kw, 2):
            second = p.taps[y, x + 1] if x + 1 < g.kw else 0
            words.append(second + (p.taps[y, x] << LANE_BITS))
    bias = p.bias + zero * p.taps.sum(axis=(0, 1)) - (1 << (LANE_BITS - 1))
    return as_words([*words, bias, p.multiplier, p.rounding])


def _stride2_record(p: Prepared, g: Geometry) -> np.ndarray:
    words = []
    for y in range(g.kh):
        for x in range(0, g.kw, 2):
            words.append(pairs(p.taps[y, x], p.taps[y, x + 1] if x + 1 < g.kw else 0))
    return as_words([*words, p.multiplier, p.rounding, p.bias])
