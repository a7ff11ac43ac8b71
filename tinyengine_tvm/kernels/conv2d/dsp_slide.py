# SPDX-License-Identifier: Apache-2.0
"""conv2d on cores with the DSP extension where windows overlap: rows are widened once.

Fewer loads per multiplication than `dsp_gemm`, and no copies at the border, for more scratch and for
code that holds the sizes of the window. The tuner finds where it gains; see docs/gemm.md.
"""

from __future__ import annotations

from collections import abc

import numpy as np

from ...network import Conv2D, Network
from ...targets import Target
from ..base import Code, Configuration, Function, Kernel, Operands
from ..dsp.multiply import constants, forms_of, outputs_of, sequence_of, stream
from ..dsp.slide import SlideRoutine, slide_bytes, slide_order, slide_text, widen_text
from ..geometry import Geometry, geometry_of

MOST_CODE = 6144
"""Bytes of steps in a row of code."""
BANDS = (1, 2, 4)


def _pitch(g: Geometry) -> int:
    """Bytes of a widened row: for an odd number of pixels the last one's partner is computed too."""
    pixels = g.out_width + g.out_width % 2
    columns = max(g.pad_left + g.width, (pixels - 1) * g.sx + g.kw)
    return 2 * g.depth * columns


def _plane_rows(g: Geometry, band: int) -> int:
    return (band - 1) * g.sy + g.kh


class Conv2DSlide(Kernel[Conv2D]):
    """Windows of several pixels, channels a multiple of four."""

    name = "conv2d_s8_4x2_slide_dsp"
    layer = Conv2D

    def supports(self, network: Network, layer: Conv2D, target: Target) -> bool:
        g = geometry_of(network, layer)
        if not (target.has("dsp") and g.kh * g.kw > 1 and g.depth % 4 == 0):
            return False
        # Offsets within a row of the window are the furthest where all its words are unrolled.
        furthest = 2 * g.depth * (g.kw + g.sx)
        if max(furthest, _pitch(g)) > 4095:
            return False
        return bool(forms_of(network, layer))

    def configurations(
        self, network: Network, layer: Conv2D, target: Target
    ) -> abc.Sequence[Configuration]:
        g = geometry_of(network, layer)
        words = g.depth // 2
        points = []
        for form in forms_of(network, layer):
            word = slide_bytes(g.kw, g.sx, form)
            unrolls = [n for n in range(1, words + 1) if words % n == 0 and n * word <= MOST_CODE]
            ways = [(n, False) for n in reversed(unrolls) if n >= min(4, words)]
            if g.kh * words * word <= MOST_CODE:
                ways.insert(0, (words, True))
            points += [
                {"weights": form, "unroll": n, "whole": whole, "loads": loads, "band": band}
                for band in BANDS
                if band <= g.out_height
                for n, whole in ways
                for loads in ("singles", "pairs")
            ]
        return points

    def scratch(self, network: Network, layer: Conv2D, configuration: Configuration) -> int:
        """The widened rows of a band."""
        g = geometry_of(network, layer)
        return _pitch(g) * _plane_rows(g, configuration["band"])

    def overlap(
        self, network: Network, layer: Conv2D, configuration: Configuration
    ) -> dict[int, int]:
        """A band's rows are widened before its first output is written."""
        g = geometry_of(network, layer)
        starts = np.arange(configuration["band"], g.out_height, configuration["band"])
        written = starts * g.out_width * g.channels
        needed = np.maximum(starts * g.sy - g.pad_top, 0) * g.width * g.depth
        lead = int(np.max(written - needed, initial=0))
        return {0: max(0, network.output_of(layer).nbytes - lead)}

    def emit(self, network: Network, layer: Conv2D, configuration: Configuration) -> Code:
        g, form = geometry_of(network, layer), configuration["weights"]
        sequence = sequence_of(network, layer, form)
        assert sequence is not None, layer.name
        routine = SlideRoutine(
            g.kh,
            g.kw,
            g.depth,
            g.sx,
            _pitch(g),
            form,
            outputs_of(layer, sequence),
            configuration["unroll"],
            configuration["whole"],
            configuration["loads"],
        )
        constant = constants(
            network,
            layer,
            routine.outputs,
            stream(layer, form, sequence, np.array(slide_order(g.kh, g.kw, g.depth))),
            entry=0,
            buffer_bytes=g.kh * routine.pitch,
            rows=g.kh,
            length=g.kw * g.depth,
            counts=(0, 0, 0),
            pixels=g.out_height * g.out_width,
            image=[
                g.height,
                g.width * g.depth,
                g.out_height,
                g.out_width,
                g.sy,
                g.pad_top,
                g.pad_left * routine.pixel,
                routine.pitch,
                g.sx * routine.pixel,
                configuration["band"],
                (network.input_of(layer).zero_point & 0xFFFF) * 0x10001,
            ],
        )

        def call(operands: Operands, names: abc.Sequence[str]) -> str:
            return (
                f"te_gemm_rows({names[0]}, {names[1]}, {operands.constant('weight')}, "
                f"{operands.inputs[0]}, {operands.scratch}, {operands.output});"
            )

        helpers = ("te_gemm", "te_gemm_rows")
        includes = ("stddef.h", "string.h")
        return Code(
            functions=(
                Function(routine.name, slide_text(routine), helpers, includes),
                Function("te_widen_dsp", widen_text()),
            ),
            constants=(constant,),
            call=call,
        )
