# SPDX-License-Identifier: Apache-2.0
"""Random networks whose layers are separated by transposes, reshapes, pads and clips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinyengine_tvm.network import (
    Add,
    Clip,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dequantize,
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
    Quantize,
    Requantize,
    Reshape,
    Softmax,
    Tensor,
    Transpose,
    verify,
)

LIMIT = 4000
"""Elements of the largest tensor."""


class Shuffled:
    """Grows a network layer by layer from tensors that exist already."""

    def __init__(self, seed: int, mode: Mode) -> None:
        self.rng = np.random.default_rng(seed)
        self.mode: Mode = mode
        self.tensors: dict[str, Tensor] = {}
        self.layers: list[Layer] = []

    def quantisation(self) -> Quantisation:
        zero = int(self.rng.choice([-128, 0, int(self.rng.integers(-128, 128))]))
        return Quantisation(float(self.rng.uniform(0.02, 0.1)), zero)

    def new(self, shape, quantised=None, data=None, dtype="int8") -> Tensor:
        if dtype == "int8":
            quantised = quantised or self.quantisation()
        tensor = Tensor(f"t{len(self.tensors)}", tuple(shape), dtype, quantised, data)
        self.tensors[tensor.name] = tensor
        return tensor

    def put(self, kind, inputs, shape, quantised=None, dtype="int8", **fields) -> Tensor:
        y = self.new(shape, quantised, dtype=dtype)
        names = tuple(t.name for t in inputs)
        self.layers.append(kind(f"l{len(self.layers)}", names, y.name, **fields))
        return y

    def clamp(self) -> tuple[int, int]:
        low, high = sorted(int(v) for v in self.rng.integers(-128, 128, 2))
        return low, high

    def pick(self, rank=None, dtype="int8", last=6) -> Tensor | None:
        found = [t for t in self.tensors.values() if t.data is None and t.dtype == dtype]
        # Half of the layers read the newest value, so that chains come about.
        newest = 1 if self.rng.random() < 0.5 else last
        found = [t for t in found if rank is None or len(t.shape) == rank][-newest:]
        return found[int(self.rng.integers(len(found)))] if found else None

    def grow(self) -> None:
        step = str(self.rng.choice(list(STEPS), p=list(STEPS.values())))
        getattr(self, step)()

    def transpose(self) -> None:
        x = self.pick(dtype=str(self.rng.choice(["int8", "int8", "float32"])))
        if x is not None and len(x.shape) > 1:
            rank = len(x.shape)
            layouts = [(0, 2, 3, 1), (0, 3, 1, 2)] if rank == 4 else []
            permutation = tuple(int(p) for p in self.rng.permutation(rank))
            if layouts and self.rng.random() < 0.8:
                permutation = layouts[int(self.rng.integers(2))]
            shape = tuple(x.shape[p] for p in permutation)
            self.put(Transpose, [x], shape, x.quantisation, x.dtype, permutation=permutation)

    def binary(self) -> None:
        x = self.pick()
        same = [
            t
            for t in self.tensors.values()
            if t.data is None and t.dtype == "int8" and t.shape == x.shape
        ]
        other = same[int(self.rng.integers(len(same)))]
        if self.rng.random() < 0.3:
            shape = tuple(d if self.rng.random() < 0.5 else 1 for d in x.shape)
            data = self.rng.integers(-128, 128, shape).astype(np.int8)
            other = self.new(shape, data=data)
        elif self.rng.random() < 0.4 and len(x.shape) == 4:
            # A gate: one value per index of one axis.
            axis = int(self.rng.integers(1, 4))
            axes = tuple(a for a in range(1, 4) if a != axis)
            kept = tuple(1 if a in axes else d for a, d in enumerate(x.shape))
            other = self.put(Mean, [x], kept, axes=axes)
        pair = [x, other] if self.rng.random() < 0.5 else [other, x]
        kind = Add if self.rng.random() < 0.6 else Mul
        self.put(kind, pair, x.shape, clamp=self.clamp())

    def unary(self) -> None:
        x = self.pick()
        kind = self.rng.choice(["clip", "clip", "requantize", "lookup", "softmax", "float"])
        if kind == "clip":
            self.put(Clip, [x], x.shape, x.quantisation, clamp=self.clamp())
        elif kind == "requantize":
            self.put(Requantize, [x], x.shape, clamp=self.clamp())
        elif kind == "lookup":
            table = self.rng.integers(-128, 128, 256).astype(np.int8)
            self.put(Lookup, [x], x.shape, table=table, operators=("any",))
        elif kind == "softmax":
            self.put(Softmax, [x], x.shape, Quantisation(1 / 256, -128))
        else:
            self.put(Dequantize, [x], x.shape, dtype="float32")

    def quantize(self) -> None:
        x = self.pick(dtype="float32")
        if x is not None:
            self.put(Quantize, [x], x.shape)

    def mean(self) -> None:
        x = self.pick()
        rank = len(x.shape)
        if rank < 2:
            return
        count = int(self.rng.integers(1, rank))
        axes = tuple(sorted(int(a) for a in self.rng.choice(rank, count, replace=False)))
        shape = tuple(1 if a in axes else d for a, d in enumerate(x.shape))
        if self.rng.random() < 0.5:
            shape = tuple(d for a, d in enumerate(x.shape) if a not in axes)
        self.put(Mean, [x], shape, axes=axes)

    def pad(self) -> None:
        x = self.pick()
        pads = tuple((0, 0) if a in (0, 3) else self.two() for a in range(len(x.shape)))
        shape = tuple(d + a + b for d, (a, b) in zip(x.shape, pads, strict=True))
        value = int(self.rng.choice([x.zero_point, x.zero_point, -128, 5]))
        if np.prod(shape) <= LIMIT:
            self.put(Pad, [x], shape, x.quantisation, pads=pads, value=value)
            self.convolution()

    def two(self) -> tuple[int, int]:
        first, second = (int(v) for v in self.rng.integers(0, 3, 2))
        return first, second

    def concat(self) -> None:
        x = self.pick()
        axis = int(self.rng.integers(len(x.shape)))
        if 2 * x.elements <= LIMIT and (axis or len(x.shape) < 4):
            y = self.put(Clip, [x], x.shape, x.quantisation, clamp=self.clamp())
            shape = tuple(2 * d if a == axis else d for a, d in enumerate(x.shape))
            self.put(Concat, [x, y], shape, x.quantisation, axis=axis)

    def reshape(self) -> None:
        x = self.pick()
        choices = [(1, x.elements), tuple(d for d in x.shape if d > 1) or (1,), x.shape]
        if len(x.shape) < 4:
            choices.append((1,) * (4 - len(x.shape)) + x.shape)
        shape = choices[int(self.rng.integers(len(choices)))]
        self.put(Reshape, [x], shape, x.quantisation)

    def convolution(self) -> None:
        x = self.pick(rank=4)
        if x is None or x.shape[0] != 1:
            return
        height, width, channels = x.shape[1:]
        kernel = tuple(int(self.rng.integers(1, min(3, d) + 1)) for d in (height, width))
        common = {"padding": Padding(*(int(v) for v in self.rng.integers(0, 2, 4)))}
        p = common["padding"]
        rows = height + p.top + p.bottom - kernel[0] + 1
        columns = width + p.left + p.right - kernel[1] + 1
        if self.rng.random() < 0.2:
            if max(p.top, p.bottom) < kernel[0] and max(p.left, p.right) < kernel[1]:
                shape = (1, rows, columns, channels)
                self.put(MaxPool2D, [x], shape, x.quantisation, kernel=kernel, **common)
            return
        depthwise = self.rng.random() < 0.4
        out = channels if depthwise else int(self.rng.integers(1, 7))
        shape = (*kernel, out) if depthwise else (out, *kernel, channels)
        kind = DepthwiseConv2D if depthwise else Conv2D
        fields = {**common, **self.weights(shape, out), "clamp": self.clamp()}
        if rows * columns * out <= LIMIT:
            self.put(kind, [x], (1, rows, columns, out), **fields)

    def weights(self, shape, out) -> dict[str, np.ndarray]:
        return {
            "weight": self.rng.integers(-127, 128, shape).astype(np.int8),
            "weight_scale": self.rng.uniform(0.001, 0.02, out).astype(np.float32),
            "bias": self.rng.integers(-2000, 2000, out).astype(np.int32),
        }

    def dense(self) -> None:
        x = self.pick()
        flat = self.put(Reshape, [x], (1, x.elements), x.quantisation)
        out = int(self.rng.integers(1, 8))
        fields = self.weights((out, x.elements), out)
        self.put(Dense, [flat], (1, out), clamp=self.clamp(), **fields)


STEPS = {
    "transpose": 0.3,
    "convolution": 0.15,
    "binary": 0.12,
    "unary": 0.1,
    "pad": 0.08,
    "mean": 0.05,
    "concat": 0.05,
    "reshape": 0.06,
    "dense": 0.04,
    "quantize": 0.05,
}


def shuffled_network(seed: int, mode: Mode, steps: int = 14) -> Network:
    """A random network; every tensor that nothing reads is an output."""
    net = Shuffled(seed, mode)
    channels, height, width = (int(v) for v in net.rng.integers(1, 6, 3))
    x = net.new((1, channels, height, width))
    if net.rng.random() < 0.3:
        net.tensors["t0"] = replace(x, dtype="float32", quantisation=None)
        net.put(Quantize, [net.tensors["t0"]], x.shape)
    for _ in range(steps):
        net.grow()
    if not net.layers:
        net.unary()
    read = {name for layer in net.layers for name in layer.inputs}
    written = [layer.output for layer in net.layers]
    outputs = tuple(name for name in written if name not in read)
    # Sometimes a value inside is an output as well.
    inside = [name for name in written if name in read]
    if inside and net.rng.random() < 0.3:
        outputs += (inside[int(net.rng.integers(len(inside)))],)
    network = Network("shuffled", mode, net.tensors, (), ("t0",), outputs)
    return verify(network.with_layers(net.layers))


def sample(network: Network, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = {}
    for name in network.inputs:
        tensor = network.tensor(name)
        if tensor.dtype == "float32":
            values[name] = rng.normal(0, 3, tensor.shape).astype(np.float32)
        else:
            values[name] = rng.integers(-128, 128, tensor.shape).astype(np.int8)
    return values
