# SPDX-License-Identifier: Apache-2.0
"""depthwise_conv2d 3x3 for cores with the DSP extension: four channels at a time, in bands."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache

import numpy as np

from ...network import DepthwiseConv2D, Network
from ...targets import Target
from ..base import Code, Configuration, Cost, Function, Kernel, Objective
from ..dsp.assembly import code_bytes
from ..dsp.routine import HELPER
from ..geometry import Geometry, geometry_of
from ..selection import choose_alone
from .arithmetic import Prepared, as_words, pairs, prepare
from .plane import Plane, fits_in_place, free_scratch, layer_code, lighter_bands
from .rows import Finish, RowRoutine
from .spread import (
    QUAD,
    Spread,
    any_spread_text,
    middle_quads,
    spread_instructions,
    spread_text,
    whole_quads,
)
from .three import ThreeStride1, ThreeStride2


class Depthwise3x3(Kernel[DepthwiseConv2D]):
    """3x3 with depth multiplier 1, at least four channels, up to some 60 columns.

    Configurations: `band` rows of the output at a time; `row` bytes per channel's row in the plane
    (layers of equal `row` share their code); `unroll` blocks in a row; `spread`, whether a whole row
    is unrolled where it's widened ("row"), its middle looped over ("loop"), or any width taken ("any"); `sizes`, whether the code holds the output's row length ("fixed") or
    is for all ("shared").
    """

    name = "depthwise3x3_s8_4ch_dsp"
    layer = DepthwiseConv2D

    def supports(self, network: Network, layer: DepthwiseConv2D, target: Target) -> bool:
        g = geometry_of(network, layer)
        return target.has("dsp") and _shape_fits(g, layer) and prepare(network, layer) is not None

    def configurations(
        self, network: Network, layer: DepthwiseConv2D, target: Target
    ) -> Sequence[Configuration]:
        default = self.choose(network, layer, target, "speed")
        own = Plane.tight_row(geometry_of(network, layer))
        g = geometry_of(network, layer)
        space = [default]
        for row in sorted({own, default["row"]}):
            for band in _bands(geometry_of(network, layer)):
                for unroll in (1, 2, 3, 4, 6):
                    for spread in ("row", "loop", "any"):
                        for sizes in ("fixed", "shared") if _fixable(g) else ("shared",):
                            space.append(
                                {
                                    "band": band,
                                    "row": row,
                                    "unroll": unroll,
                                    "spread": spread,
                                    "sizes": sizes,
                                }
                            )
        return [c for i, c in enumerate(space) if c not in space[:i]]

    def choose(
        self, network: Network, layer: DepthwiseConv2D, target: Target, objective: Objective
    ) -> Configuration:
        return choose_alone(self.costs(network, layer, target), objective)

    def costs(
        self, network: Network, layer: DepthwiseConv2D, target: Target
    ) -> list[tuple[Configuration, Cost]]:
        g, prepared = geometry_of(network, layer), prepare(network, layer)
        assert prepared is not None
        band, row = _band_and_row(network, layer)
        plane = _plane(g, band, row)
        groups = -(-g.channels // QUAD)
        found: list[tuple[Configuration, Cost]] = []
        for unroll in range(1, 5 if g.sy == 1 else 4):
            for sizes in ("fixed", "shared") if _fixable(g) else ("shared",):
                configuration = {"band": band, "row": row, "unroll": unroll, "sizes": sizes}
                routine, text = _routine(network, g, prepared, plane, configuration)
                convolving = g.channels * routine.instructions(g.out_width, g.out_height)
                spreads: tuple[Spread, ...] = ("row", "loop", "any")
                for spread in spreads:
                    own = _spread_text(g, plane.row, spread)
                    rows = spread_instructions(spread, g.pad_left, g.width) * g.height
                    cost = Cost(
                        convolving + groups * rows,
                        {text: code_bytes(text), own: code_bytes(own)},
                    )
                    found.append(({**configuration, "spread": spread}, cost))
        return found

    def context(self, network: Network, layer: DepthwiseConv2D, target: Target) -> Hashable:
        g = geometry_of(network, layer)
        if not (target.has("dsp") and _shape_fits(g, layer)):
            return ()
        rests = sorted(set(_shared_rests(network, g, _kind(g).block_columns)))
        return (*_band_and_row(network, layer), *rests, _odd_rows(network, g))

    def scratch(
        self, network: Network, layer: DepthwiseConv2D, configuration: Configuration
    ) -> int:
        g = geometry_of(network, layer)
        return _plane(g, configuration["band"], configuration["row"]).bytes

    def lighter(
        self, network: Network, layer: DepthwiseConv2D, configuration: Configuration
    ) -> Sequence[tuple[Configuration, int]]:
        g = geometry_of(network, layer)
        return lighter_bands(
            configuration, _bands(g), lambda band: _plane(g, band, configuration["row"])
        )

    def in_place(
        self, network: Network, layer: DepthwiseConv2D, configuration: Configuration
    ) -> tuple[int, ...]:
        """The output may lie in the input's place, beginning where it begins."""
        return (0,) if fits_in_place(geometry_of(network, layer)) else ()

    def emit(self, network: Network, layer: DepthwiseConv2D, configuration: Configuration) -> Code:
        g = geometry_of(network, layer)
        prepared = prepare(network, layer)
        assert prepared is not None
        plane = _plane(g, configuration["band"], configuration["row"])
        routine, text = _routine(network, g, prepared, plane, configuration)
        quads = middle_quads(g.pad_left, g.width)
        if configuration["spread"] == "any":
            quads, width = whole_quads(g.width), "any"
        else:
            unrolled = configuration["spread"] == "row"
            width = f"w{g.width}" if unrolled else f"mod{(g.pad_left + g.width) % QUAD}"
            width += f"_left{g.pad_left}"
        spread = _spread_text(g, plane.row, configuration["spread"])
        helpers = (HELPER, "te_depthwise")
        label = f"s{g.sy}_{prepared.finish.label}_{plane.row}"
        if configuration["sizes"] == "fixed":
            label += f"_{g.out_width}x{g.channels}"
        functions = (
            Function(f"te_spread_{width}_{plane.row}", spread, helpers),
            Function(f"te_depthwise3x3_{label}", text, helpers),
        )
        return layer_code(
            functions,
            plane,
            _stride1_record(prepared) if g.sy == 1 else _stride2_record(prepared),
            block=routine.block_columns,
            quads=quads,
            zeros=(network.input_of(layer).zero_point, network.output_of(layer).zero_point),
        )


def _routine(
    network: Network, g: Geometry, prepared: Prepared, plane: Plane, configuration: Configuration
) -> tuple[RowRoutine, str]:
    kind = _kind(g)
    rests = _shared_rests(network, g, kind.block_columns)
    odd = _odd_rows(network, g)
    steps = None
    if configuration["sizes"] == "fixed":
        steps = (g.channels, g.out_width * g.channels)
        rests, odd = [g.out_width % kind.block_columns], g.out_height % 2 == 1
    unroll = configuration["unroll"]
    finish = prepared.finish
    return _made(kind, plane.pitch, plane.row, unroll, tuple(rests), finish, steps, odd)


def _kind(g: Geometry) -> type[RowRoutine]:
    return ThreeStride1 if g.sy == 1 else ThreeStride2


def _odd_rows(network: Network, g: Geometry) -> bool:
    return any(o.out_height % 2 for o in [g, *_relatives(network, g)])


@lru_cache(maxsize=512)
def _made(
    kind: type[RowRoutine],
    pitch: int,
    row: int,
    unroll: int,
    rests: tuple[int, ...],
    finish: Finish,
    steps: tuple[int, int] | None,
    odd_rows: bool,
) -> tuple[RowRoutine, str]:
    """The routine and its text, which is asked for again and again."""
    routine = kind(pitch, row, unroll, rests, finish, steps, odd_rows)
    return routine, routine.text()


@lru_cache(maxsize=512)
def _spread(left: int, width: int, row: int, spread: Spread) -> str:
    if spread == "any":
        return any_spread_text(row)
    return spread_text(left, width, row, spread == "row")


def _spread_text(g: Geometry, row: int, spread: Spread) -> str:
    return _spread(g.pad_left, g.width, row, spread)


def _shape_fits(g: Geometry, layer: DepthwiseConv2D) -> bool:
    return (
        layer.multiplier == 1
        and (g.kh, g.kw) == (3, 3)
        and g.sy == g.sx
        and g.sy in (1, 2)
        and max(g.pad_top, g.pad_left, g.pad_bottom, g.pad_right) < 3
        and g.channels >= 4
        and Plane.tight_row(g) <= 120
    )


def _band_and_row(network: Network, layer: DepthwiseConv2D) -> tuple[int, int]:
    """Rows at a time and bytes of a row of the plane, as the scratch allows."""
    g, allowed = geometry_of(network, layer), free_scratch(network, layer)
    row = _shared_row(network, g, allowed)
    bands = _bands(g)
    return max([b for b in bands if _plane(g, b, row).bytes <= allowed] or bands[:1]), row


def _shared_row(network: Network, g: Geometry, allowed: int) -> int:
    """The row that all 3x3 layers of this stride take, unless bands would become narrow by it."""
    own = Plane.tight_row(g)
    shared = max([own, *(Plane.tight_row(other) for other in _relatives(network, g))])
    least = min(_bands(g)[-1], 8)
    return shared if _plane(g, least, shared).bytes <= allowed else own


def _shared_rests(network: Network, g: Geometry, block: int) -> list[int]:
    return [other.out_width % block for other in [g, *_relatives(network, g)]]


def _relatives(network: Network, g: Geometry) -> tuple[Geometry, ...]:
    return network.once(_families).get(g.sy, ())


def _families(network: Network) -> dict[int, tuple[Geometry, ...]]:
    """The sizes of all 3x3 layers that this kernel takes, by stride."""
    found: dict[int, tuple[Geometry, ...]] = {}
    for layer in network.layers:
        if isinstance(layer, DepthwiseConv2D):
            g = geometry_of(network, layer)
            if _shape_fits(g, layer):
                found[g.sy] = (*found.get(g.sy, ()), g)
    return found


def _fixable(g: Geometry) -> bool:
    """Whether the offsets fit their instructions."""
    return (g.out_width + 1) * g.channels <= 4095


def _bands(g: Geometry) -> list[int]:
    """Rows of the output at a time, few first; even numbers, or all rows."""
    return [b for b in (2, 4, 8, 12, 16, 24, 32) if b < g.out_height] + [g.out_height]


def _plane(g: Geometry, band: int, row: int) -> Plane:
    return Plane(g, band, row, group=QUAD, rows_at_once=2 if g.sy == 1 else 1)


def _stride1_record(p: Prepared) -> np.ndarray:
    t = p.taps
    words = []
    for y in range(3):
        words += [pairs(t[y, 0], t[y, 1]), pairs(t[y, 1], t[y, 2])]
    return as_words([*words, p.multiplier, p.rounding, p.bias])


def _stride2_record(p: Prepared) -> np.ndarray:
    t = p.taps
    words = [pairs(t[y, 0], t[y, 1]) for y in range(3)]
    words += [pairs(t[0, 2], t[1, 2]), pairs(t[2, 2], 0)]
    return as_words([*words, p.bias, p.multiplier, p.rounding])
