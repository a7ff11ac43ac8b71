# SPDX-License-Identifier: Apache-2.0
"""dense on cores with the DSP extension."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...network import Dense, Network
from ...targets import Target
from ..base import Code, Configuration, Constant, Function, Kernel, Objective, Operands
from ..conv2d.dsp_gemm import ConvGemm
from ..dsp.gather import BYTES_PER_STEP
from ..dsp.gemv import STEPS, VectorRoutine, part_bytes, vector_order, vector_text
from ..dsp.multiply import forms_of, outputs_of, sequence_of, size_constant, sizes, stream
from ..geometry import geometry_of, raster_overlap

SPEED_UNROLL = 8
SIZE_UNROLL = 1


class DenseVector(Kernel[Dense]):
    """A single row, where a requantisation sequence is exact: 4 channels at a time."""

    name = "dense_s8_4x1_dsp"
    layer = Dense

    def supports(self, network: Network, layer: Dense, target: Target) -> bool:
        one = network.output_of(layer).shape[0] == 1
        return one and target.has("dsp") and bool(forms_of(network, layer))

    def configurations(
        self, network: Network, layer: Dense, target: Target
    ) -> Sequence[Configuration]:
        """The default for speed first, that for size last."""
        forms = forms_of(network, layer)
        unrolls = (SPEED_UNROLL, 16, 4)
        small = {"weights": forms[0], "unroll": SIZE_UNROLL}
        return [*({"weights": f, "unroll": u} for f in forms for u in unrolls), small]

    def choose(
        self, network: Network, layer: Dense, target: Target, objective: Objective
    ) -> Configuration:
        return self.configurations(network, layer, target)[0 if objective == "speed" else -1]

    def scratch(self, network: Network, layer: Dense, configuration: Configuration) -> int:
        return BYTES_PER_STEP // 2 * len(vector_order(layer.weight.shape[1]))

    def overlap(
        self, network: Network, layer: Dense, configuration: Configuration
    ) -> dict[int, int]:
        """All of it: the input is widened before anything is written."""
        return {0: network.output_of(layer).nbytes}

    def scratch_overlap(self, network: Network, layer: Dense, configuration: Configuration) -> int:
        """Widening doubles the bytes in order, so it may end where the input ends."""
        length = layer.weight.shape[1]
        return max(0, self.scratch(network, layer, configuration) - (length + 7) // 8 * 8)

    def emit(self, network: Network, layer: Dense, configuration: Configuration) -> Code:
        form, unroll = configuration["weights"], configuration["unroll"]
        sequence = sequence_of(network, layer, form)
        assert sequence is not None, layer.name
        length = layer.weight.shape[1]
        routine = VectorRoutine(form, outputs_of(layer, sequence), unroll, length % 4)
        steps = np.array(vector_order(length))
        weights = stream(network, layer, form, steps)
        skipped = -(len(steps) // STEPS) % unroll * part_bytes(form)
        values = sizes(network, layer, routine.outputs, weights, len(steps), skipped, 1, length, 1)
        # One pixel is widened, not two.
        values[3] = self.scratch(network, layer, configuration)

        def call(operands: Operands, names: Sequence[str]) -> str:
            c = operands.constant
            return (
                f"te_gemm_vector({names[0]}, {operands.inputs[0]}, {c('weight')}, {c('sizes')}, "
                f"{operands.scratch}, {operands.output});"
            )

        helpers = ("te_gemm", "te_gemm_sizes", "te_gemm_vector")
        return Code(
            functions=(Function(routine.name, vector_text(routine), helpers),),
            constants=(Constant("weight", weights), size_constant(values)),
            call=call,
        )


class DenseGemm(Kernel[Dense]):
    """Several rows, as a 1x1 convolution over them."""

    name = "dense_s8_4x2_dsp"
    layer = Dense

    def supports(self, network: Network, layer: Dense, target: Target) -> bool:
        return target.has("dsp") and bool(forms_of(network, layer))

    def configurations(
        self, network: Network, layer: Dense, target: Target
    ) -> Sequence[Configuration]:
        return ConvGemm(network, layer).configurations()

    def choose(
        self, network: Network, layer: Dense, target: Target, objective: Objective
    ) -> Configuration:
        return ConvGemm(network, layer).configurations()[0 if objective == "speed" else -1]

    def scratch(self, network: Network, layer: Dense, configuration: Configuration) -> int:
        return ConvGemm(network, layer).scratch(configuration)

    def overlap(
        self, network: Network, layer: Dense, configuration: Configuration
    ) -> dict[int, int]:
        """As a 1x1 convolution's."""
        return {0: raster_overlap(geometry_of(network, layer), window_kept=True)}

    def emit(self, network: Network, layer: Dense, configuration: Configuration) -> Code:
        return ConvGemm(network, layer).code(configuration)
