# SPDX-License-Identifier: Apache-2.0
"""The plane in the scratch: its sizes, and the call that runs a layer over it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ...network import Layer, Network
from ..base import Configuration, Operands
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
    last = {name: index for index, at in enumerate(network.layers) for name in at.inputs}
    last.update(dict.fromkeys(network.outputs, len(network.layers)))
    born = {at.output: index for index, at in enumerate(network.layers)}
    live = [0] * len(network.layers)
    for name, tensor in network.tensors.items():
        if tensor.data is None:
            first = born.get(name, 0)
            for index in range(first, min(last.get(name, first) + 1, len(live))):
                live[index] += tensor.nbytes
    own = live[network.layers.index(layer)]
    return max(LEAST_ALLOWANCE, max(live) - own)


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


def call_statement(
    operands: Operands,
    names: Sequence[str],
    plane: Plane,
    *,
    block: int,
    quads: int,
    record: int,
    zero_in: int,
    zero_out: int,
    distance: int = 16,
    centred: bool = False,
) -> str:
    """The statement that runs a layer: names are the spreading and the convolving routine.

    block: columns per block; quads: fours in the middle of a row; record: words per channel; zero_in:
    the zero point as a byte; distance: bits between two columns in a word of the plane; centred:
    whether the plane's values come without the zero point.
    """
    g = plane.geometry
    packed = zero_in * 0x01010101
    value = (zero_in ^ 0x80) - 0x80
    padding = (value + (value << distance)) & 0xFFFFFFFF
    if centred:
        padding = 0
    if distance == 16:
        padding = (value & 0xFFFF) * 0x10001
    signed = [v - (1 << 32) if v >> 31 else v for v in (packed, padding)]
    work = {
        "channels": g.channels,
        "out_row": g.out_width * g.channels,
        "zero_in": signed[0],
        "zero_out": zero_out,
        "blocks": g.out_width // block,
        "rest": g.out_width % block,
        "quads": quads,
    }
    layer = {
        "work": f"{{{_initialiser(work)}}}",
        "group": plane.group,
        "height": g.height,
        "row": g.width * g.channels,
        "out_height": g.out_height,
        "stride": g.sy,
        "kernel": g.kh,
        "pad_top": g.pad_top,
        "band": plane.band,
        "pitch": plane.pitch,
        "channel_row": plane.row,
        "record": record,
        "padding": signed[1],
        "records": operands.constant("record"),
        "spread": names[0],
        "compute": names[1],
    }
    tensors = f"{operands.inputs[0]}, {operands.output}, {operands.scratch}"
    return (
        f"{{\n    static const struct te_depthwise layer = {{\n        {_initialiser(layer)}}};\n"
        f"    te_depthwise_run({tensors}, &layer);\n}}"
    )


def _initialiser(fields: Mapping[str, object]) -> str:
    text = ", ".join(f".{name} = {value}" for name, value in fields.items())
    return textwrap.fill(text, 88, subsequent_indent=" " * 8, break_long_words=False)
