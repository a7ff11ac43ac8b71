# SPDX-License-Identifier: Apache-2.0
"""A network of the search, as shapes: what is trained, what is compiled, what is drawn.

The blocks are those of MobileNetV2 (Sandler et al., CVPR 2018): a pointwise expansion, a depthwise
convolution, a linear pointwise projection, and a residual where shapes allow it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal[
    "conv", "depthwise", "pointwise", "add", "pool", "squeeze", "excite", "gate", "scale", "dense"
]
WITHOUT_WEIGHTS = ("add", "pool", "gate", "scale")


@dataclass(frozen=True)
class Block:
    """An inverted residual block. `expanded` equal to the input's channels: no expansion.

    `squeeze`: channels of the bottleneck of squeeze-and-excite after the depthwise; 0 for none.
    """

    kernel: int
    expanded: int
    width: int
    stride: int = 1
    squeeze: int = 0


@dataclass(frozen=True)
class Layer:
    """One operator: `inputs` and `outputs` are (channels, height, width), batch left out.

    `pool` is the average over the whole map. Squeeze-and-excite is five layers: `pool`, the two
    dense layers `squeeze` and `excite`, the hard sigmoid `gate`, and `scale`, which multiplies what
    was pooled by it.
    """

    name: str
    kind: Kind
    inputs: tuple[int, int, int]
    outputs: tuple[int, int, int]
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    relu: bool = False

    @property
    def weights(self) -> int:
        """Weights without biases."""
        taps = self.kernel[0] * self.kernel[1]
        if self.kind == "depthwise":
            return self.outputs[0] * taps
        if self.kind in WITHOUT_WEIGHTS:
            return 0
        return self.inputs[0] * self.outputs[0] * taps

    @property
    def biases(self) -> int:
        return 0 if self.kind in WITHOUT_WEIGHTS else self.outputs[0]

    @property
    def macs(self) -> int:
        return self.weights * self.outputs[1] * self.outputs[2]


@dataclass(frozen=True)
class Architecture:
    """`input` is (channels, height, width); a sensor's windows are (channels, 1, samples).

    One-dimensional networks have kernels (1, k) and strides (1, s). Convolutions pad by k // 2 on
    both sides. `head`: channels of a last pointwise convolution before pooling; 0 for none.
    """

    input: tuple[int, int, int]
    stem_width: int
    stem_kernel: int
    stem_stride: int
    blocks: tuple[Block, ...]
    head: int
    classes: int

    @property
    def dimensions(self) -> int:
        """1 for windows of samples, else 2."""
        return 1 if self.input[1] == 1 else 2

    def layers(self) -> Iterator[Layer]:
        """All layers in execution order; names are those of the trained network's modules."""
        flat = self.dimensions == 1

        def extent(size: int) -> tuple[int, int]:
            return (1, size) if flat else (size, size)

        def after(shape: tuple[int, int, int], width: int, stride: int) -> tuple[int, int, int]:
            down, across = extent(stride)
            # An odd kernel with padding k // 2 leaves ceil(size / stride) positions.
            return (width, -(-shape[1] // down), -(-shape[2] // across))

        shape = after(self.input, self.stem_width, self.stem_stride)
        kernel, stride = extent(self.stem_kernel), extent(self.stem_stride)
        yield Layer("stem", "conv", self.input, shape, kernel, stride, True)
        for index, block in enumerate(self.blocks):
            name = f"blocks.{index}"
            entry = shape
            if block.expanded != entry[0]:
                shape = (block.expanded, *entry[1:])
                yield Layer(f"{name}.expand", "pointwise", entry, shape, relu=True)
            wide, shape = shape, after(shape, block.expanded, block.stride)
            kernel, stride = extent(block.kernel), extent(block.stride)
            yield Layer(f"{name}.depthwise", "depthwise", wide, shape, kernel, stride, True)
            if block.squeeze:
                pooled, small = (block.expanded, 1, 1), (block.squeeze, 1, 1)
                yield Layer(f"{name}.pool", "pool", shape, pooled)
                yield Layer(f"{name}.squeeze", "squeeze", pooled, small, relu=True)
                yield Layer(f"{name}.excite", "excite", small, pooled)
                yield Layer(f"{name}.gate", "gate", pooled, pooled)
                yield Layer(f"{name}.scale", "scale", shape, shape)
            wide, shape = shape, (block.width, *shape[1:])
            yield Layer(f"{name}.project", "pointwise", wide, shape)
            if shape == entry:
                yield Layer(f"{name}.add", "add", shape, shape)
        if self.head:
            before, shape = shape, (self.head, *shape[1:])
            yield Layer("head", "pointwise", before, shape, relu=True)
        pooled = (shape[0], 1, 1)
        yield Layer("pool", "pool", shape, pooled)
        yield Layer("classifier", "dense", pooled, (self.classes, 1, 1))

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(layer.macs for layer in self.layers())

    @property
    def weights(self) -> int:
        """Weights, biases left out."""
        return sum(layer.weights for layer in self.layers())

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Architecture:
        blocks = tuple(Block(**block) for block in facts["blocks"])
        return cls(**{**facts, "input": tuple(facts["input"]), "blocks": blocks})
