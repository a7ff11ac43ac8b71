# SPDX-License-Identifier: Apache-2.0
"""dense on cores with the DSP extension."""

from __future__ import annotations

from collections import abc
from functools import lru_cache

import numpy as np

from ...network import Dense, Network
from ...targets import Target
from ..base import Code, Configuration, Cost, Function, Kernel, Objective, Operands
from ..conv2d.dsp_gemm import ConvGemm
from ..dsp.assembly import code_bytes
from ..dsp.gather import BYTES_PER_STEP
from ..dsp.gemv import (
    STEPS,
    VectorRoutine,
    part_bytes,
    vector_counts,
    vector_instructions,
    vector_order,
    vector_text,
)
from ..dsp.multiply import Sequence, constants, forms_of, outputs_of, sequence_of, stream
from ..geometry import geometry_of, raster_overlap
from ..selection import choose_alone

UNROLLS = (16, 8, 4, 1)
SHARED_UNROLL = 1
"""This one takes any number of channels."""
VECTOR, VECTOR_BYTES = "te_gemm_vector", 70


class DenseGemm(Kernel[Dense]):
    """Any size, where a requantisation sequence is exact.

    A single row has a routine of its own; several rows are pixels of a 1x1 convolution.
    """

    name = "dense_s8_4_dsp"
    layer = Dense

    def supports(self, network: Network, layer: Dense, target: Target) -> bool:
        return target.has("dsp") and bool(forms_of(network, layer))

    def configurations(
        self, network: Network, layer: Dense, target: Target
    ) -> abc.Sequence[Configuration]:
        default = self.choose(network, layer, target, "speed")
        space = [c for c, _ in self.costs(network, layer, target)]
        if network.output_of(layer).shape[0] > 1:
            space = ConvGemm(network, layer).configurations()
        return [default, *(c for c in space if c != default)]

    def choose(
        self, network: Network, layer: Dense, target: Target, objective: Objective
    ) -> Configuration:
        return choose_alone(self.costs(network, layer, target), objective)

    def costs(
        self, network: Network, layer: Dense, target: Target
    ) -> abc.Sequence[tuple[Configuration, Cost]]:
        pairs = ConvGemm(network, layer).costs()
        if network.output_of(layer).shape[0] > 1:
            return pairs
        vectors: list[Configuration] = [
            {"weights": form, "routine": "vector", "unroll": unroll}
            for form in forms_of(network, layer)
            for unroll in UNROLLS
        ]
        # A single row takes twice as long in pairs, but convolutions may have brought that code along.
        shared = [(c, cost) for c, cost in pairs if c["routine"] in ("any", "compact")]
        return [*((c, _cost(network, layer, c)) for c in vectors), *shared]

    def scratch(self, network: Network, layer: Dense, configuration: Configuration) -> int:
        if configuration["routine"] != "vector":
            return ConvGemm(network, layer).scratch(configuration)
        return BYTES_PER_STEP // 2 * len(vector_order(layer.weight.shape[1]))

    def overlap(
        self, network: Network, layer: Dense, configuration: Configuration
    ) -> dict[int, int]:
        """All of a single row: it is widened before anything is written."""
        if configuration["routine"] != "vector":
            return {0: raster_overlap(geometry_of(network, layer), window_kept=True)}
        return {0: network.output_of(layer).nbytes}

    def scratch_overlap(self, network: Network, layer: Dense, configuration: Configuration) -> int:
        """Widening doubles the bytes in order, so it may end where the input ends."""
        if configuration["routine"] != "vector":
            return 0
        length = layer.weight.shape[1]
        return max(0, self.scratch(network, layer, configuration) - (length + 7) // 8 * 8)

    def emit(self, network: Network, layer: Dense, configuration: Configuration) -> Code:
        if configuration["routine"] != "vector":
            return ConvGemm(network, layer).code(configuration)
        form, unroll = configuration["weights"], configuration["unroll"]
        sequence, routine = _vector(network, layer, configuration)
        length = layer.weight.shape[1]
        steps = vector_order(length)
        weights = stream(layer, form, sequence, np.array(steps))
        constant = constants(
            network,
            layer,
            routine.outputs,
            weights,
            entry=-(len(steps) // STEPS) % unroll * part_bytes(form),
            buffer_bytes=self.scratch(network, layer, configuration),
            rows=1,
            length=length,
            counts=vector_counts(length),
            pixels=1,
            image=[],
        )

        def call(operands: Operands, names: abc.Sequence[str]) -> str:
            return (
                f"te_gemm_vector({names[0]}, {operands.constant('weight')}, {operands.inputs[0]}, "
                f"{operands.scratch}, {operands.output});"
            )

        helpers = ("te_gemm", "te_gemm_vector")
        return Code(
            functions=(Function(routine.name, vector_text(routine), helpers),),
            constants=(constant,),
            call=call,
        )


def _vector(
    network: Network, layer: Dense, configuration: Configuration
) -> tuple[Sequence, VectorRoutine]:
    form, unroll = configuration["weights"], configuration["unroll"]
    shared = unroll == SHARED_UNROLL
    sequence = sequence_of(network, layer, form, shared)
    assert sequence is not None, layer.name
    outputs = outputs_of(layer, sequence, shared)
    return sequence, VectorRoutine(form, outputs, unroll, layer.weight.shape[1] % 4)


def _cost(network: Network, layer: Dense, configuration: Configuration) -> Cost:
    _, routine = _vector(network, layer, configuration)
    channels, length = layer.weight.shape
    return Cost(
        vector_instructions(routine, length, channels),
        {routine: _bytes(routine), VECTOR: VECTOR_BYTES},
        layer.weight.size * (1 if configuration["weights"] == "packed" else 2),
    )


@lru_cache(maxsize=512)
def _bytes(routine: VectorRoutine) -> int:
    return code_bytes(vector_text(routine))
