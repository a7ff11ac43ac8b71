# SPDX-License-Identifier: Apache-2.0
"""conv2d on cores with the DSP extension: windows of two pixels at a time, 4 channels per block."""

from __future__ import annotations

from collections import abc
from functools import lru_cache

import numpy as np

from ...network import Conv2D, Dense, Network
from ...targets import Target
from ..base import Code, Configuration, Cost, Function, Kernel, Objective, Operands
from ..dsp.assembly import code_bytes
from ..dsp.gather import BYTES_PER_STEP, Gather, Routing, counts, order
from ..dsp.gemm import Loads, Routine, instructions, routine_text, step_bytes
from ..dsp.multiply import Sequence, constants, forms_of, outputs_of, sequence_of, stream
from ..geometry import geometry_of, raster_overlap
from ..selection import choose_alone

MOST_UNROLLED = 32
"""Windows of up to this many pairs of inputs may have all of them unrolled without measurements."""
MOST_MEASURED = 80
"""As many may be unrolled where it's measured what that gains: some 4 kB of code."""
LOOP_STEPS = (32, 16, 8)
COMPACT_STEPS = 4
POINTS, POINTS_BYTES = "te_gemm_points", 134


class ConvGemm:
    """How a convolution, or a dense layer of several rows, is made of the multiplication."""

    def __init__(self, network: Network, layer: Conv2D | Dense) -> None:
        self.network, self.layer = network, layer
        self.geometry = geometry_of(network, layer)

    @property
    def points(self) -> bool:
        """Whether each output reads one pixel, and they follow each other."""
        g = self.geometry
        return (g.kh, g.kw, g.sy, g.sx) == (1, 1, 1, 1) and not g.padded

    @property
    def rows(self) -> int:
        return self.geometry.kh

    @property
    def length(self) -> int:
        """Bytes of a row of the window: they follow each other in memory."""
        return self.geometry.kw * self.geometry.depth

    @property
    def aligned(self) -> bool:
        """Whether all rows of all windows, and of their copies, begin at multiples of 4."""
        return self.geometry.depth % 4 == 0

    def configurations(self) -> list[Configuration]:
        """The configuration space: what is chosen from without measurements, and then the rest."""
        measured = self._points("singles", MOST_MEASURED)
        unrolled = [c for c in self._points("pairs", MOST_MEASURED) if c["routine"] == "whole"]
        first = self._points("pairs", MOST_UNROLLED)
        return [*first, *(c for c in [*measured, *unrolled] if c not in first)]

    def _points(self, loads: Loads, most_unrolled: int) -> list[Configuration]:
        steps = len(order("whole", self.rows, self.length))
        routines: list[tuple[Routing, int]] = [("whole", steps)] if steps <= most_unrolled else []
        routines += [(routing, n) for routing in ("loop", "any") for n in LOOP_STEPS]
        if loads == "pairs":
            routines.append(("compact", COMPACT_STEPS))
        return [
            {"weights": form, "routine": routing, "unroll": n, "loads": loads}
            for form in forms_of(self.network, self.layer)
            for routing, n in routines
        ]

    def costs(self) -> list[tuple[Configuration, Cost]]:
        """What is chosen from without measurements, with estimates of what it takes.

        Windows over the border count like the others. Single loads are left out: they take more
        instructions, and gain only on cores that overlap them.
        """
        return [(c, self._cost(c)) for c in self._points("pairs", MOST_UNROLLED)]

    def _steps(self, configuration: Configuration) -> list[tuple[int, int]]:
        return order(configuration["routine"], self.rows, self.length)

    def scratch(self, configuration: Configuration) -> int:
        """Two widened windows, and copies of two windows where some lie over the border."""
        widened = BYTES_PER_STEP * len(self._steps(configuration))
        return widened + (0 if self.points else 2 * self._copy_bytes)

    @property
    def _copy_bytes(self) -> int:
        return (self.rows * self.length + 3) // 4 * 4

    def _image(self) -> list[int]:
        """The rest of te_gemm_image after te_gemm_sizes; nothing if the pixels follow each other."""
        g, values = self.geometry, []
        if not self.points:
            rows = _inside(g.height, g.kh, g.sy, g.pad_top, g.out_height)
            columns = _inside(g.width, g.kw, g.sx, g.pad_left, g.out_width)
            values += [
                g.height,
                g.width * g.depth,
                g.out_width,
                g.sy,
                g.sx * g.depth,
                g.pad_top,
                g.pad_left * g.depth,
                *rows,
                *columns,
                self.network.input_of(self.layer).zero_point,
            ]
        return values

    def _sequence(self, configuration: Configuration) -> Sequence:
        shared = configuration["routine"] == "compact"
        sequence = sequence_of(self.network, self.layer, configuration["weights"], shared)
        assert sequence is not None, self.layer.name
        return sequence

    def _routine(self, configuration: Configuration) -> Routine:
        routing = configuration["routine"]
        any_tail = routing in ("any", "compact")
        return Routine(
            gather=Gather.of(routing, self.rows, self.length, self.aligned),
            form=configuration["weights"],
            outputs=outputs_of(self.layer, self._sequence(configuration), any_tail),
            unroll=configuration["unroll"],
            loads=configuration["loads"],
        )

    def _cost(self, configuration: Configuration) -> Cost:
        steps, routine = self._steps(configuration), self._routine(configuration)
        pixels = self.geometry.out_height * self.geometry.out_width
        blocks = -(-self.geometry.channels // 4)
        each = instructions(routine, self.rows, self.length, len(steps), blocks)
        data = 4 * blocks * len(steps) * (8 if configuration["weights"] == "packed" else 16) // 4
        return Cost(
            (pixels + 1) // 2 * each, {routine: _bytes(routine), POINTS: POINTS_BYTES}, data
        )

    def code(self, configuration: Configuration) -> Code:
        form, routing = configuration["weights"], configuration["routine"]
        g, steps = self.geometry, self._steps(configuration)
        sequence, routine = self._sequence(configuration), self._routine(configuration)
        weights = stream(self.layer, form, sequence, np.array(steps))
        constant = constants(
            self.network,
            self.layer,
            routine.outputs,
            weights,
            entry=-len(steps) % routine.unroll * step_bytes(form, routine.loads),
            buffer_bytes=BYTES_PER_STEP * len(steps),
            rows=self.rows,
            length=self.length,
            counts=counts(routing, self.length),
            pixels=g.out_height * g.out_width,
            image=self._image(),
        )
        driver = "te_gemm_points" if self.points else "te_gemm_windows"
        helpers = ("te_gemm", driver)

        def call(operands: Operands, names: abc.Sequence[str]) -> str:
            return (
                f"{driver}({names[0]}, {operands.constant('weight')}, {operands.inputs[0]}, "
                f"{operands.scratch}, {operands.output});"
            )

        return Code(
            functions=(
                Function(routine.name, routine_text(routine), helpers, ("stddef.h", "string.h")),
            ),
            constants=(constant,),
            call=call,
        )


@lru_cache(maxsize=512)
def _bytes(routine: Routine) -> int:
    return code_bytes(routine_text(routine))


def _inside(size: int, kernel: int, stride: int, before: int, count: int) -> tuple[int, int]:
    """First and end of the outputs of one dimension whose windows lie inside."""
    first = -(-before // stride)
    end = (size + before - kernel) // stride + 1
    return first, min(max(end, 0), count)


class Conv2DGemm(Kernel[Conv2D]):
    """Any kernel, stride and padding, where a requantisation sequence is exact."""

    name = "conv2d_s8_4x2_dsp"
    layer = Conv2D

    def supports(self, network: Network, layer: Conv2D, target: Target) -> bool:
        return target.has("dsp") and bool(forms_of(network, layer))

    def configurations(
        self, network: Network, layer: Conv2D, target: Target
    ) -> abc.Sequence[Configuration]:
        default = self.choose(network, layer, target, "speed")
        space = ConvGemm(network, layer).configurations()
        return [default, *(c for c in space if c != default)]

    def choose(
        self, network: Network, layer: Conv2D, target: Target, objective: Objective
    ) -> Configuration:
        return choose_alone(ConvGemm(network, layer).costs(), objective)

    def costs(
        self, network: Network, layer: Conv2D, target: Target
    ) -> abc.Sequence[tuple[Configuration, Cost]]:
        return ConvGemm(network, layer).costs()

    def scratch(self, network: Network, layer: Conv2D, configuration: Configuration) -> int:
        return ConvGemm(network, layer).scratch(configuration)

    def overlap(
        self, network: Network, layer: Conv2D, configuration: Configuration
    ) -> dict[int, int]:
        """Windows are widened or copied in order, and outputs written then or later."""
        return {0: raster_overlap(geometry_of(network, layer), window_kept=True)}

    def emit(self, network: Network, layer: Conv2D, configuration: Configuration) -> Code:
        return ConvGemm(network, layer).code(configuration)
