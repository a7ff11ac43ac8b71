# SPDX-License-Identifier: Apache-2.0
"""A network with its regions as layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..kernels.registry import Selected
from ..network import Fused, Layer, Network
from ..network.macs import layer_macs
from .kernel import FusedKernel
from .region import Fusion


def apply(
    network: Network, selected: Mapping[str, Selected], fusions: Sequence[Fusion]
) -> tuple[Network, list[Selected]]:
    """The network in which each region is one layer, and the kernels of all layers.

    `selected` holds the kernels of the layers outside the regions, by name.
    """
    layers: list[Layer] = []
    choices: list[Selected] = []
    inputs = network.inputs
    starts = {fusion.region.first: fusion for fusion in fusions}
    at = 0
    while at < len(network.layers):
        fusion = starts.get(at)
        if fusion is None:
            layers.append(network.layers[at])
            choices.append(selected[network.layers[at].name])
            at += 1
            continue
        layer = fused_layer(fusion)
        layers.append(layer)
        choices.append(Selected(layer, FusedKernel(fusion), _configuration(fusion)))
        if fusion.streamed:
            inputs = tuple(name for name in inputs if name != fusion.region.source)
        at = fusion.region.last + 1
    tiled = network.with_layers(layers, inputs=inputs)
    # A streamed input has no place in the arena, and yet the interface must know its shape.
    streamed = {f.region.source: network.tensor(f.region.source) for f in fusions if f.streamed}
    return replace(tiled, tensors={**tiled.tensors, **streamed}), choices


def fused_layer(fusion: Fusion) -> Fused:
    """The layer that stands for a region."""
    body = fusion.network
    macs = sum(layer_macs(body, layer) for layer in body.layers)
    source, sink = fusion.region.source, fusion.region.sink
    return Fused(
        f"{body.layers[0].name} to {body.layers[-1].name}",
        () if fusion.streamed else (source,),
        sink,
        body=body,
        macs=macs,
        streamed=source if fusion.streamed else None,
    )


def _configuration(fusion: Fusion) -> dict[str, object]:
    kernels = [next(iter(parts.values())).kernel.name for parts in fusion.parts]
    return {
        "layers": [
            {"name": layer.name, "kernel": kernel, "rows": fusion.chunk[layer.output]}
            for layer, kernel in zip(fusion.network.layers, kernels, strict=True)
        ],
        "scratch": dict(sorted(fusion.offsets.items())),
    }
