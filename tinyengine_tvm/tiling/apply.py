# SPDX-License-Identifier: Apache-2.0
"""A network with its regions as layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..kernels.registry import Selected
from ..network import Fused, Layer, Network
from .kernel import FusedKernel
from .region import Fusion, Region


def apply(
    network: Network,
    selected: Mapping[str, Selected],
    regions: Sequence[tuple[Region, Selected]],
) -> tuple[Network, list[Selected]]:
    """The network in which each region is one layer, and the kernels of all layers.

    `selected` holds the kernels of the layers outside the regions, by name; `regions` what stands
    for each region.
    """
    layers: list[Layer] = []
    choices: list[Selected] = []
    inputs = network.inputs
    starts = {region.first: (region, choice) for region, choice in regions}
    streamed = {}
    at = 0
    while at < len(network.layers):
        if at not in starts:
            layers.append(network.layers[at])
            choices.append(selected[network.layers[at].name])
            at += 1
            continue
        region, choice = starts[at]
        layers.append(choice.layer)
        choices.append(choice)
        if isinstance(choice.layer, Fused) and choice.layer.streamed is not None:
            inputs = tuple(name for name in inputs if name != choice.layer.streamed)
            # It has no place in the arena, and yet the interface must know its shape.
            streamed[region.source] = network.tensor(region.source)
        at = region.last + 1
    tiled = network.with_layers(layers, inputs=inputs)
    return replace(tiled, tensors={**tiled.tensors, **streamed}), choices


def fused_choice(fusion: Fusion) -> Selected:
    """The layer that stands for a region, and its kernel."""
    body = fusion.network
    source, sink = fusion.region.source, fusion.region.sink
    layer = Fused(
        f"{body.layers[0].name} to {body.layers[-1].name}",
        () if fusion.streamed else (source,),
        sink,
        body=body,
        macs=fusion.macs,
        streamed=source if fusion.streamed else None,
    )
    return Selected(layer, FusedKernel(fusion), _configuration(fusion))


def _configuration(fusion: Fusion) -> dict[str, object]:
    layers = []
    for stage in fusion.stages:
        for layer in stage.layers:
            kernel = next(iter(fusion.parts[layer.name].values())).kernel.name
            facts: dict[str, object] = {"name": layer.name, "kernel": kernel}
            facts["rows"] = fusion.chunk[stage.output]
            if stage.tiled:
                facts["columns"] = stage.columns
            layers.append(facts)
    return {"layers": layers, "scratch": dict(sorted(fusion.offsets.items()))}
