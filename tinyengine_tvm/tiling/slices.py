# SPDX-License-Identifier: Apache-2.0
"""A convolution and the global pool after it, a slice of channels at a time.

Networks widen before their global pool, often to their largest feature map, of which a single value
per channel remains. Channels don't meet before the classifier: nothing is computed twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..kernels.base import Code, Configuration, Constant, Function, Kernel, Operands
from ..kernels.registry import Selected, kernels_for
from ..memory.buffer import align_up
from ..network import AveragePool2D, Conv2D, Fused, Layer, MaxPool2D, Mean, Network
from ..network.macs import layer_macs
from ..targets import Target
from .parts import Part
from .region import Region, subnetwork

GRAIN = 8
"""Slices are multiples of this many channels, which kernels compute in blocks of 4."""
CALL = 300
"""Instructions that another slice costs beyond its outputs."""


@dataclass(frozen=True, eq=False)
class Slice:
    """Channels from `first` on: the convolution and the pool that compute them."""

    first: int
    parts: tuple[Part, Part]


@dataclass(frozen=True, eq=False)
class Sliced:
    """A region in slices.

    offsets: those of the feature map between its layers, and of the kernels' scratch.
    """

    region: Region
    network: Network
    slices: tuple[Slice, ...]
    offsets: tuple[int, int]
    scratch: int
    cost: int


def sliceable(network: Network, convolution: Layer, pool: Layer) -> bool:
    """Whether these two layers can be computed by slices of channels."""
    if not isinstance(convolution, Conv2D) or pool.inputs != (convolution.output,):
        return False
    x = network.output_of(convolution).shape
    if isinstance(pool, Mean):
        return pool.axes == (1, 2)
    return (
        isinstance(pool, (AveragePool2D, MaxPool2D))
        and pool.kernel == (x[1], x[2])
        and not pool.padding
    )


def slice_region(
    network: Network, region: Region, selected: dict[str, Selected], count: int, target: Target
) -> Sliced | None:
    """The region in about `count` slices; None where the channels don't divide into that many."""
    body = subnetwork(network, region)
    convolution, pool = body.layers
    assert isinstance(convolution, Conv2D)
    channels = len(convolution.bias)
    width = align_up(-(-channels // count), GRAIN)
    if count < 2 or width >= channels:
        return None
    slices = []
    for first in range(0, channels, width):
        last = min(first + width, channels)
        parts = [
            _part(network, selected[layer.name], layer, first, last, target)
            for layer in (convolution, pool)
        ]
        if None in parts:
            return None
        slices.append(Slice(first, tuple(parts)))  # type: ignore[arg-type]
    between = max(s.parts[0].network.output_of(s.parts[0].layer).nbytes for s in slices)
    between = align_up(between, 4)
    scratch = max(part.scratch for s in slices for part in s.parts)
    widened = body.input_of(convolution).nbytes * (len(slices) - 1)
    return Sliced(
        region,
        body,
        tuple(slices),
        (0, between),
        between + scratch,
        CALL * len(slices) + widened,
    )


def _part(
    network: Network, whole: Selected, layer: Layer, first: int, last: int, target: Target
) -> Part | None:
    tensors = {name: network.tensor(name) for name in (*layer.inputs, layer.output)}
    sliced: Any = layer
    if isinstance(layer, Conv2D):
        scales = layer.weight_scale
        sliced = replace(
            layer,
            weight=np.ascontiguousarray(layer.weight[first:last]),
            bias=np.ascontiguousarray(layer.bias[first:last]),
            weight_scale=scales if scales.size == 1 else scales.reshape(-1)[first:last],
        )
    else:
        x = tensors[layer.inputs[0]]
        tensors[x.name] = replace(x, shape=(*x.shape[:-1], last - first))
    y = tensors[layer.output]
    tensors[y.name] = replace(y, shape=(*y.shape[:-1], last - first))
    part = Network(network.name, network.mode, tensors, (sliced,), layer.inputs, (layer.output,))
    kernels: list[Kernel[Any]] = (
        [whole.kernel] if whole.kernel.supports(part, sliced, target) else []
    )
    kernels = kernels or kernels_for(part, sliced, target)
    if not kernels:
        return None
    kernel = kernels[0]
    configuration = (
        whole.configuration
        if kernel is whole.kernel
        else kernel.choose(part, sliced, target, "speed")
    )
    scratch = kernel.scratch(part, sliced, configuration)
    return Part(part, sliced, kernel, configuration, scratch, False)


class SlicedKernel(Kernel[Fused]):
    """Computes one region slice by slice."""

    name = "fused_channels"
    layer = Fused

    def __init__(self, sliced: Sliced) -> None:
        self.sliced = sliced

    def scratch(self, network: Network, layer: Fused, configuration: Configuration) -> int:
        return self.sliced.scratch

    def emit(self, network: Network, layer: Fused, configuration: Configuration) -> Code:
        functions: list[Function] = []
        constants: list[Constant] = []
        calls = []
        for number, piece in enumerate(self.sliced.slices):
            for place, part in enumerate(piece.parts):
                code = part.kernel.emit(part.network, part.layer, part.configuration)
                functions += [f for f in code.functions if f not in functions]
                prefix = f"{number}_{part.layer.op}_"
                constants += [Constant(prefix + c.name, c.data) for c in code.constants]
                indices = [functions.index(f) for f in code.functions]
                calls.append((piece, place, prefix, code, indices))
        between, scratch = self.sliced.offsets

        def call(operands: Operands, names: Sequence[str]) -> str:
            lines = ["{", f"    int8_t *const lines = {operands.scratch};"]
            lines.append(f"    int8_t *const y = {operands.output};")
            for piece, place, prefix, code, indices in calls:
                inner = Operands(
                    inputs=(f"&lines[{between}]",) if place else operands.inputs,
                    output=f"&y[{piece.first}]" if place else f"&lines[{between}]",
                    scratch=f"&lines[{scratch}]" if piece.parts[place].scratch else "NULL",
                    constant=lambda name, prefix=prefix: operands.constant(prefix + name),  # type: ignore[misc]
                )
                text = code.call(inner, [names[i] for i in indices])
                lines += [f"    {line}" for line in text.splitlines()]
            return "\n".join([*lines, "}"])

        return Code(functions=tuple(functions), constants=tuple(constants), call=call)


def sliced_choice(sliced: Sliced) -> Selected:
    """The layer that stands for a region in slices, and its kernel."""
    body = sliced.network
    layer = Fused(
        f"{body.layers[0].name} to {body.layers[-1].name}",
        body.inputs,
        body.outputs[0],
        body=body,
        macs=sum(layer_macs(body, layer) for layer in body.layers),
    )
    kernels = [part.kernel.name for part in sliced.slices[0].parts]
    configuration = {
        "slices": [piece.first for piece in sliced.slices],
        "layers": [
            {"name": layer.name, "kernel": kernel}
            for layer, kernel in zip(body.layers, kernels, strict=True)
        ],
    }
    return Selected(layer, SlicedKernel(sliced), configuration)
