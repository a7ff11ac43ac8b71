# SPDX-License-Identifier: Apache-2.0
"""One network that holds all networks of a space, sharing weights."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ..space import Block, Genome, Space
from ..training.network import Convolution, SqueezeExcite, StaticNetwork, as_channels_last
from .elastic import ElasticConvolution, ElasticDepthwise, ElasticSqueezeExcite


class ElasticBlock(nn.Module):
    """An inverted residual block of up to `inputs` -> `expanded` -> `width` channels.

    With an expansion of 1 a block has no expanding convolution.
    """

    def __init__(
        self, inputs: int, largest: Block, kernels: tuple[int, ...], expands: bool, flat: bool
    ) -> None:
        super().__init__()
        wide = largest.expanded
        self.expand = ElasticConvolution(inputs, wide) if expands else None
        self.depthwise = ElasticDepthwise(wide, kernels, largest.stride, flat)
        self.attention = ElasticSqueezeExcite(wide, largest.squeeze) if largest.squeeze else None
        self.project = ElasticConvolution(wide, largest.width, relu=False)

    def forward(self, x: torch.Tensor, block: Block) -> torch.Tensor:
        y = x
        if self.expand is not None and block.expanded != x.shape[1]:
            y = self.expand(x, block.expanded)
        y = self.depthwise(y, block.kernel)
        if self.attention is not None:
            y = self.attention(y, block.squeeze)
        y = self.project(y, block.width)
        return x + y if block.stride == 1 and y.shape[1] == x.shape[1] else y


class SuperNet(nn.Module):
    """float32 [n, channels, height, width] to logits [n, classes], for any genome of `space`."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space
        flat = space.dimensions == 1
        largest = space.architecture(space.extreme(True))

        def extent(size: int) -> tuple[int, int]:
            return (1, size) if flat else (size, size)

        width = largest.stem_width
        self.stem = ElasticConvolution(
            space.channels, width, extent(space.stem_kernel), extent(space.stem_stride)
        )
        blocks = list(largest.blocks)
        self.first = None
        if space.first:
            block = blocks.pop(0)
            self.first = ElasticBlock(width, block, (block.kernel,), False, flat)
            width = block.width
        elastic = []
        for (stage, _), block in zip(space.places, blocks, strict=True):
            kernels = space.stages[stage].kernels
            elastic.append(ElasticBlock(width, block, kernels, True, flat))
            width = block.width
        self.blocks = nn.ModuleList(elastic)
        self.head = ElasticConvolution(width, largest.head) if largest.head else None
        self.classifier = nn.Linear(largest.head or width, space.classes)

    def _used(self, genome: Genome) -> list[ElasticBlock]:
        """The blocks of a genome, in the order of its architecture's."""
        used = [] if self.first is None else [self.first]
        for block, (stage, index) in zip(self.blocks, self.space.places, strict=True):
            if index < genome.depths[stage]:
                used.append(block)
        return used

    def forward(self, x: torch.Tensor, genome: Genome) -> torch.Tensor:
        architecture = self.space.architecture(genome)
        x = as_channels_last(self.stem(x, architecture.stem_width))
        for module, block in zip(self._used(genome), architecture.blocks, strict=True):
            x = module(x, block)
        if self.head is not None:
            x = self.head(x, architecture.head)
        x = functional.adaptive_avg_pool2d(x, 1).flatten(1)
        weight = self.classifier.weight[:, : x.shape[1]]
        return functional.linear(x, weight, self.classifier.bias)

    @torch.no_grad()
    def extract(self, genome: Genome) -> StaticNetwork:
        """The sub-net as a network of its own, with copies of the weights.

        Its batch normalisation has no statistics yet; see `recalibrate`.
        """
        architecture = self.space.architecture(genome)
        network = StaticNetwork(architecture)

        def copy(into: Convolution, weight: torch.Tensor, source: nn.Module) -> None:
            channels = weight.shape[0]
            into.conv.weight.copy_(weight)
            into.norm.weight.copy_(source.norm.weight[:channels])
            into.norm.bias.copy_(source.norm.bias[:channels])

        width = architecture.stem_width
        copy(network.stem, self.stem.active(architecture.input[0], width), self.stem)
        pairs = zip(self._used(genome), architecture.blocks, network.blocks, strict=True)
        for module, block, into in pairs:
            if module.expand is not None and block.expanded != width:
                copy(into.expand, module.expand.active(width, block.expanded), module.expand)
            weight = module.depthwise.active(block.expanded, block.kernel)
            copy(into.depthwise, weight, module.depthwise)
            if module.attention is not None:
                _copy_attention(into.attention, module.attention, block)
            copy(into.project, module.project.active(block.expanded, block.width), module.project)
            width = block.width
        if self.head is not None:
            copy(network.head, self.head.active(width, architecture.head), self.head)
            width = architecture.head
        network.classifier.weight.copy_(self.classifier.weight[:, :width])
        network.classifier.bias.copy_(self.classifier.bias)
        return network


def _copy_attention(into: SqueezeExcite, module: ElasticSqueezeExcite, block: Block) -> None:
    first, first_bias, second, second_bias = module.active(block.expanded, block.squeeze)
    into.squeeze.weight.copy_(first)
    into.squeeze.bias.copy_(first_bias)
    into.excite.weight.copy_(second)
    into.excite.bias.copy_(second_bias)


@torch.no_grad()
def recalibrate(network: StaticNetwork, batches: list[torch.Tensor]) -> None:
    """Sets the statistics of batch normalisation to those over `batches`; leaves eval mode on."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        # None: the average over all batches, each with the same weight.
        norm.momentum = None
    network.train()
    for batch in batches:
        network(batch)
    for norm in norms:
        norm.momentum = 0.1
    network.eval()
