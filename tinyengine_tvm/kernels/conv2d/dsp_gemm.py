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
from ..dsp.gemm import Routine, instructions, routine_text, step_bytes
from ..dsp.multiply import Sequence, constants, forms_of, outputs_of, sequence_of, stream
from ..dsp.outputs import Form
from ..geometry import geometry_of, raster_overlap

UNROLLED_STEPS = 32
"""Windows of up to this many pairs of inputs may have all of them unrolled by default."""
WIDE_BYTES = 2048
"""Layers of up to this many weights may hold them as int16 by default."""
LOOP_STEPS = 32
COMPACT_STEPS = 4
STEP_BYTES = step_bytes("wide")
POINTS, POINTS_BYTES = "te_gemm_points", 134
WORTH = 6
"""Instructions per inference that a byte of flash must save to be spent by default."""


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
        """The default for speed first."""
        forms = forms_of(self.network, self.layer)
        steps = len(order("whole", self.rows, self.length))
        unrolls: list[tuple[Routing, int]] = [("loop", n) for n in (LOOP_STEPS, 16, 8)]
        if steps <= UNROLLED_STEPS:
            unrolls.append(("whole", steps))
        unrolls += [("any", n) for n in (32, 16, 8)]
        unrolls.append(("compact", COMPACT_STEPS))
        space: list[Configuration] = [
            {"weights": form, "routine": routing, "unroll": n}
            for form in forms
            for routing, n in unrolls
        ]
        space.sort(key=lambda point: point != self._fastest(forms, steps))
        return space

    def compact(self) -> Configuration:
        """The default for size."""
        form = forms_of(self.network, self.layer)[0]
        return {"weights": form, "routine": "compact", "unroll": COMPACT_STEPS}

    def _fastest(self, forms: list[Form], steps: int) -> Configuration:
        """What is fast at a sensible price in flash."""
        blocks = self._blocks()
        alike = sum(
            ConvGemm(self.network, layer)._blocks()
            for layer in self.network.layers
            if isinstance(layer, Conv2D) and layer.weight.shape[1:] == self.layer.weight.shape[1:]
        )
        # Entering and leaving the loop takes six instructions per block.
        whole = steps <= UNROLLED_STEPS and 6 * max(blocks, alike) >= WORTH * steps * STEP_BYTES
        # Packed weights take an instruction more per step, and four more per block.
        more = self.layer.weight.size + (0 if whole else LOOP_STEPS * STEP_BYTES)
        wide = (steps + 4) * blocks >= WORTH * more and self.layer.weight.size <= WIDE_BYTES
        form = "wide" if wide or "packed" not in forms else "packed"
        if whole:
            return {"weights": form, "routine": "whole", "unroll": steps}
        return {"weights": form, "routine": "loop", "unroll": LOOP_STEPS}

    def _blocks(self) -> int:
        """How often the routine's inner part runs: 4 channels of 2 pixels."""
        pixels = self.geometry.out_height * self.geometry.out_width
        return (pixels + 1) // 2 * ((self.geometry.channels + 3) // 4)

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
        )

    def cost(self, configuration: Configuration) -> Cost:
        """What this configuration takes; windows over the border count like the others."""
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
            entry=-len(steps) % routine.unroll * step_bytes(form),
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
        return ConvGemm(network, layer).configurations()

    def choose(
        self, network: Network, layer: Conv2D, target: Target, objective: Objective
    ) -> Configuration:
        how = ConvGemm(network, layer)
        return how.configurations()[0] if objective == "speed" else how.compact()

    def costs(
        self, network: Network, layer: Conv2D, target: Target
    ) -> list[tuple[Configuration, Cost]]:
        how = ConvGemm(network, layer)
        return [(c, how.cost(c)) for c in how.configurations()]

    def scratch(self, network: Network, layer: Conv2D, configuration: Configuration) -> int:
        return ConvGemm(network, layer).scratch(configuration)

    def overlap(
        self, network: Network, layer: Conv2D, configuration: Configuration
    ) -> dict[int, int]:
        """Windows are widened or copied in order, and outputs written then or later."""
        return {0: raster_overlap(geometry_of(network, layer), window_kept=True)}

    def emit(self, network: Network, layer: Conv2D, configuration: Configuration) -> Code:
        return ConvGemm(network, layer).code(configuration)
