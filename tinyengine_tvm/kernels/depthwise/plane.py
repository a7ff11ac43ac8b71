# SPDX-License-Identifier: Apache-2.0
"""The plane in the scratch: its sizes, and the code that runs a layer over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...network import Layer, Network
from ..base import Code, Configuration, Constant, Function, Operands
from ..geometry import Geometry


@dataclass(frozen=True)
class Plane:
    """A band of `band` rows of the output and the rows of the input that it reads.

    A row of the plane holds `group` channels, each in `row` bytes: 16 bits per column.
    """

    geometry: Geometry
    band: int
    row: int
    group: int
    rows_at_once: int

    @property
    def pitch(self) -> int:
        """Bytes from one row of the plane to the next."""
        return self.group * self.row

    @property
    def bytes(self) -> int:
        """Scratch: a band that isn't a whole number of steps reads rows of no consequence."""
        g = self.geometry
        whole = -(-self.band // self.rows_at_once) * self.rows_at_once
        needed = (whole * g.sy + g.kh - g.sy) * self.pitch
        return needed + -needed % 32

    @staticmethod
    def tight_row(g: Geometry) -> int:
        """The least bytes of a row: what is spread, and what a block reads, in steps of 4 columns."""
        spread = g.pad_left + g.width
        read = (g.out_width - 1) * g.sx + g.kw + 1
        return -(-max(spread, read) // 4) * 8


LEAST_ALLOWANCE = 4096
"""Bytes of scratch that every layer may take."""


def free_scratch(network: Network, layer: Layer) -> int:
    """Bytes of scratch that a layer may take by default.

    Where fewer bytes are live than at the network's peak, what is between costs nothing.
    """
    live, peak = network.once(_live_bytes)
    return max(LEAST_ALLOWANCE, peak - live[layer.name])


def _live_bytes(network: Network) -> tuple[dict[str, int], int]:
    """Bytes of the tensors that are live while a layer runs, by its name, and the most of them."""
    last = {name: index for index, at in enumerate(network.layers) for name in at.inputs}
    last.update(dict.fromkeys(network.outputs, len(network.layers)))
    born = {at.output: index for index, at in enumerate(network.layers)}
    live = [0] * len(network.layers)
    for name, tensor in network.tensors.items():
        if tensor.data is None:
            first, size = born.get(name, 0), tensor.nbytes
            for index in range(first, min(last.get(name, first) + 1, len(live))):
                live[index] += size
    by_name = {at.name: size for at, size in zip(network.layers, live, strict=True)}
    return by_name, max(live)


BAND_INSTRUCTIONS, LEAVING_ONE_BAND = 270, 350
"""What a band of a group of channels costs beside the rows that it moves, and what a second one adds
to that; both measured, on the side of caution."""


def lighter_bands(
    configuration: Configuration, bands: Sequence[int], plane_of: Callable[[int], Plane]
) -> list[tuple[Configuration, int]]:
    """Kernel.lighter of a kernel that works in bands, of which `bands` are possible."""

    def rounds(band: int) -> int:
        return -(-plane_of(band).geometry.out_height // band)

    found: list[tuple[Configuration, int]] = []
    for band in sorted(bands, reverse=True):
        plane = plane_of(band)
        if plane.bytes >= plane_of(configuration["band"]).bytes:
            continue
        g = plane.geometry
        groups = -(-g.channels // plane.group)
        each = BAND_INSTRUCTIONS + (g.kh - 1) * plane.pitch // 16
        extra = (rounds(band) - rounds(configuration["band"])) * each
        if rounds(configuration["band"]) == 1:
            extra += LEAVING_ONE_BAND
        found.append(({**configuration, "band": band}, groups * extra))
    return found


def fits_in_place(g: Geometry) -> bool:
    """Whether the output may be written over the input, both beginning at the same address.

    Channels are finished one group after the other, so an output pixel overwrites the same channels
    of the input pixel of the same number. That one has been read if, counted in pixels, no output of
    a band lies behind the rows that the band has taken.
    """
    return g.channels == g.depth and g.out_width <= g.width and g.out_height <= g.height


def layer_code(
    functions: tuple[Function, Function],
    plane: Plane,
    records: np.ndarray,
    *,
    block: int,
    quads: int,
    zeros: tuple[int, int],
    distance: int = 16,
    centred: bool = False,
) -> Code:
    """The code of a layer: functions are the spreading and the convolving routine.

    records: int32, a row of words per channel; block: columns per block; quads: the routine's steps
    of four pixels; zeros: zero points of input and output; distance: bits between two columns in a
    word of the plane; centred: whether the plane's values come without the zero point.
    """
    g = plane.geometry
    value = 0 if centred else zeros[0]
    values = [
        g.channels,
        g.out_width * g.channels,
        (zeros[0] & 0xFF) * 0x01010101,
        zeros[1],
        0,  # filled in when running
        0,
        g.out_width // block,
        g.out_width % block,
        quads,
        0,
        g.pad_left,
        g.width,
        plane.group,
        g.height,
        g.width * g.channels,
        g.out_height,
        g.sy,
        g.kh,
        g.pad_top,
        plane.band,
        plane.pitch,
        plane.row,
        records.size // g.channels,
        # Halves hold a value each; wider lanes are sums.
        (value & 0xFFFF) * 0x10001 if distance == 16 else value + (value << distance),
    ]
    values.append(len(values) + 1)
    words = np.array([v & 0xFFFFFFFF for v in values], np.uint32).view(np.int32)

    constant = Constant("record", np.concatenate([words, records]), len(values), len(values) - 1)

    def call(operands: Operands, names: Sequence[str]) -> str:
        return (
            f"te_depthwise_run({names[0]}, {names[1]}, {operands.constant('record')}, "
            f"{operands.inputs[0]}, {operands.output}, {operands.scratch});"
        )

    return Code(functions, (constant,), call)
