# SPDX-License-Identifier: Apache-2.0
"""Random networks of several layers, with channels that are dead in every way there is."""

from __future__ import annotations

import numpy as np

from tinyengine_tvm.network import (
    Add,
    AveragePool2D,
    Clip,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Layer,
    Lookup,
    MaxPool2D,
    Mean,
    Mode,
    Mul,
    Network,
    Pad,
    Padding,
    Quantisation,
    Requantize,
    Reshape,
    ResizeNearest,
    Tensor,
    verify,
)


class Growing:
    """Adds random layers to a network; every method takes and gives tensor names."""

    def __init__(self, seed: int, mode: Mode) -> None:
        self.rng = np.random.default_rng(seed)
        self.mode: Mode = mode
        self.tensors: dict[str, Tensor] = {}
        self.layers: list[Layer] = []
        height, width = (int(v) for v in self.rng.integers(3, 9, 2))
        self.image = self.tensor((1, height, width, int(self.rng.integers(1, 6))))

    def quantisation(self) -> Quantisation:
        zero = int(self.rng.choice([-128, -128, 0, 127, self.rng.integers(-128, 128)]))
        return Quantisation(float(self.rng.uniform(0.02, 0.1)), zero)

    def tensor(
        self,
        shape: tuple[int, ...],
        quantisation: Quantisation | None = None,
        data: np.ndarray | None = None,
    ) -> str:
        name = f"t{len(self.tensors)}"
        self.tensors[name] = Tensor(name, shape, "int8", quantisation or self.quantisation(), data)
        return name

    def add(self, kind: type[Layer], inputs: tuple[str, ...], output: str, **facts: object) -> str:
        name = f"{kind.op}_{len(self.layers)}"
        self.layers.append(kind(name, inputs, output, **facts))
        return output

    def shape(self, name: str) -> tuple[int, ...]:
        return self.tensors[name].shape

    def weights(self, shape: tuple[int, ...], out_axis: int, in_axis: int | None) -> np.ndarray:
        """Weights of which whole output and input channels are zero."""
        weight = self.rng.integers(-127, 128, shape)
        for axis in (out_axis, in_axis):
            if axis is not None:
                chance = self.rng.choice([0.0, 0.3, 0.7])
                silent = self.rng.random(shape[axis]) < chance
                weight[(slice(None),) * (axis % len(shape)) + (silent,)] = 0
        return weight.astype(np.int8)

    def rest(self, channels: int, taps: int) -> dict[str, object]:
        """Scale, bias and clamp; some biases drive their channel into saturation for good."""
        scale = self.rng.uniform(0.2, 1.0, channels) / (127 * np.sqrt(taps))
        bias = self.rng.integers(-3000, 3000, channels)
        far = self.rng.random(channels) < 0.15
        bias = np.where(far, self.rng.choice([-(1 << 24), 1 << 24], channels), bias)
        if self.rng.random() < 0.2:
            scale = scale[:1]
        low = int(self.rng.choice([-128, -128, -100, 0]))
        return {
            "weight_scale": scale.astype(np.float32),
            "bias": bias.astype(np.int32),
            "clamp": (low, int(self.rng.choice([127, 100]))),
        }

    def conv2d(self, x: str, channels: int | None = None) -> str:
        _, height, width, depth = self.shape(x)
        channels = channels or int(self.rng.integers(1, 12))
        kernel = int(self.rng.choice([1, 1, 3])) if min(height, width) >= 3 else 1
        pad = self.padding(kernel)
        stride = int(self.rng.integers(1, 3))
        rows = (height + pad.top + pad.bottom - kernel) // stride + 1
        columns = (width + pad.left + pad.right - kernel) // stride + 1
        return self.add(
            Conv2D,
            (x,),
            self.tensor((1, rows, columns, channels)),
            weight=self.weights((channels, kernel, kernel, depth), 0, 3),
            stride=(stride, stride),
            padding=pad,
            **self.rest(channels, kernel * kernel * depth),
        )

    def padding(self, kernel: int) -> Padding:
        if kernel == 1:
            return Padding()
        return Padding(*(int(v) for v in self.rng.integers(0, 2, 4)))

    def depthwise(self, x: str) -> str:
        _, height, width, depth = self.shape(x)
        multiplier = int(self.rng.choice([1, 1, 1, 2]))
        pad = Padding(1, 1, 1, 1) if self.rng.random() < 0.7 else self.padding(3)
        rows, columns = height + pad.top + pad.bottom - 2, width + pad.left + pad.right - 2
        if min(rows, columns) < 1:
            return x
        return self.add(
            DepthwiseConv2D,
            (x,),
            self.tensor((1, rows, columns, depth * multiplier)),
            weight=self.weights((3, 3, depth * multiplier), 2, None),
            padding=pad,
            multiplier=multiplier,
            **self.rest(depth * multiplier, 9),
        )

    def residual(self, x: str) -> str:
        """x + a 1x1 convolution of x."""
        shape = self.shape(x)
        branch = self.tensor(shape)
        channels = shape[3]
        self.add(
            Conv2D,
            (x,),
            branch,
            weight=self.weights((channels, 1, 1, channels), 0, 3),
            **self.rest(channels, channels),
        )
        return self.add(Add, (x, branch), self.tensor(shape), clamp=(-128, 127))

    def concat(self, x: str) -> str:
        """Two convolutions of x side by side."""
        _, height, width, depth = self.shape(x)
        shared = self.quantisation()
        parts = []
        for channels in self.rng.integers(1, 6, 2):
            output = self.tensor((1, height, width, int(channels)), shared)
            weight = self.weights((int(channels), 1, 1, depth), 0, 3)
            facts = self.rest(int(channels), depth)
            parts.append(self.add(Conv2D, (x,), output, weight=weight, **facts))
        total = sum(self.shape(p)[3] for p in parts)
        return self.add(
            Concat, tuple(parts), self.tensor((1, height, width, total), shared), axis=3
        )

    def pool(self, x: str) -> str:
        _, height, width, depth = self.shape(x)
        if min(height, width) < 2:
            return x
        kind = MaxPool2D if self.rng.random() < 0.5 else AveragePool2D
        output = self.tensor((1, height // 2, width // 2, depth), self.tensors[x].quantisation)
        return self.add(kind, (x,), output, kernel=(2, 2), stride=(2, 2))

    def constant_operand(self, x: str) -> str:
        """Times, or plus, a constant per channel."""
        depth = self.shape(x)[3]
        data = self.rng.integers(-128, 128, (1, 1, 1, depth)).astype(np.int8)
        constant = self.tensor(data.shape, None, data)
        kind = Mul if self.rng.random() < 0.5 else Add
        return self.add(kind, (x, constant), self.tensor(self.shape(x)))

    def channelwise(self, x: str) -> str:
        _, height, width, depth = shape = self.shape(x)
        own = self.tensors[x].quantisation
        choice = self.rng.integers(5)
        if choice == 0:
            return self.add(Clip, (x,), self.tensor(shape, own), clamp=(-50, 90))
        if choice == 1:
            return self.add(Requantize, (x,), self.tensor(shape))
        if choice == 4:
            table = self.rng.integers(-128, 128, 256).astype(np.int8)
            return self.add(Lookup, (x,), self.tensor(shape), table=table, operators=("any",))
        if choice == 2:
            pads = ((0, 0), (1, 0), (0, 1), (0, 0))
            padded = self.tensor((1, height + 1, width + 1, depth), own)
            return self.add(Pad, (x,), padded, pads=pads, value=int(self.rng.integers(-128, 128)))
        rows, columns = tuple(range(height)), (*range(width), width - 1)
        wider = self.tensor((1, height, width + 1, depth), own)
        return self.add(ResizeNearest, (x,), wider, rows=rows, columns=columns)

    def head(self, x: str) -> str:
        """To [1, classes], by way of the mean or of a reshape."""
        _, height, width, depth = self.shape(x)
        if self.rng.random() < 0.5:
            flat = self.add(Mean, (x,), self.tensor((1, depth)), axes=(1, 2))
        else:
            count = height * width * depth
            flat = self.add(Reshape, (x,), self.tensor((1, count), self.tensors[x].quantisation))
        classes, count = int(self.rng.integers(1, 6)), self.shape(flat)[1]
        return self.add(
            Dense,
            (flat,),
            self.tensor((1, classes)),
            weight=self.weights((classes, count), 0, 1),
            **self.rest(classes, count),
        )

    def network(self) -> Network:
        x = self.conv2d(self.image)
        steps = (
            self.conv2d,
            self.conv2d,
            self.depthwise,
            self.depthwise,
            self.residual,
            self.concat,
            self.pool,
            self.constant_operand,
            self.channelwise,
        )
        for _ in range(int(self.rng.integers(2, 8))):
            x = steps[self.rng.integers(len(steps))](x)
        outputs = [self.head(x)]
        if self.rng.random() < 0.2:
            outputs.append(x)
        return verify(
            Network(
                "random",
                self.mode,
                dict(self.tensors),
                tuple(self.layers),
                (self.image,),
                tuple(outputs),
            )
        )


def random_network(seed: int, mode: Mode) -> Network:
    """The same network for the same arguments."""
    network = Growing(seed, mode).network()
    # Drops tensors that a step prepared and didn't use.
    return verify(network.with_layers(network.layers))


def random_inputs(network: Network, seed: int, count: int = 4) -> list[dict[str, np.ndarray]]:
    """The ends of the range, and noise."""
    rng = np.random.default_rng(seed)
    samples: list[dict[str, np.ndarray]] = []
    for i in range(count):
        sample = {}
        for name in network.inputs:
            shape = network.tensor(name).shape
            full = np.full(shape, (-128, 127)[i % 2])
            sample[name] = (full if i < 2 else rng.integers(-128, 128, shape)).astype(np.int8)
        samples.append(sample)
    return samples
