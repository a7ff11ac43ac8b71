# SPDX-License-Identifier: Apache-2.0
"""Small ONNX networks for tests: built in float, then quantised by onnxruntime (QDQ).

`NETWORKS` maps a name to a function that adds the network's layers to a `Builder`;
`quantised(name)` gives the finished model. Everything is seeded by the name: same name, same bytes.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


class Builder:
    """Adds nodes to a float NCHW graph; every method gives the name of its result."""

    def __init__(self, seed: int, input_shape: Sequence[int]) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.shapes: dict[str, tuple[int, ...]] = {"input": tuple(input_shape)}
        self.x = "input"

    def node(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, value: np.ndarray) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, *shape: int) -> str:
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 4
        # Channels of unlike magnitude make per-channel scales matter.
        magnitude = self.random.uniform(0.4, 1.6, (shape[0],) + (1,) * (len(shape) - 1))
        value = self.random.normal(0, 1.2 / np.sqrt(fan_in), shape) * magnitude
        return self.constant(value.astype(np.float32))

    def conv(
        self,
        x: str,
        channels_in: int,
        channels: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        pads: Sequence[int] | None = None,
        group: int = 1,
        bias: bool = True,
        **attributes: object,
    ) -> str:
        kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
        inputs = [x, self.weight(channels, channels_in // group, kh, kw)]
        if bias:
            inputs.append(self.weight(channels))
        if pads is None:
            pads = [kh // 2, kw // 2, kh // 2, kw // 2]
        return self.node(
            "Conv",
            *inputs,
            kernel_shape=[kh, kw],
            strides=[stride, stride],
            pads=list(pads),
            group=group,
            **attributes,
        )

    def relu(self, x: str) -> str:
        return self.node("Relu", x)

    def relu6(self, x: str) -> str:
        low, high = (self.constant(np.array(v, np.float32)) for v in (0.0, 6.0))
        return self.node("Clip", x, low, high)

    def dense(self, x: str, features_in: int, features: int) -> str:
        return self.node(
            "Gemm", x, self.weight(features, features_in), self.weight(features), transB=1
        )

    def model(self, outputs: Sequence[str]) -> onnx.ModelProto:
        def value(name: str, shape: Sequence[int] | None) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        graph = helper.make_graph(
            self.nodes,
            "network",
            [value("input", self.shapes["input"])],
            [value(name, None) for name in outputs],
            self.constants,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="tests"
        )
        model.ir_version = 8
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
        onnx.checker.check_model(model)
        return model


def _conv_1x1(b: Builder) -> list[str]:
    x = b.relu(b.conv(b.x, 5, 12, 1))
    return [b.conv(x, 12, 7, 1, bias=False)]


def _conv_3x3(b: Builder) -> list[str]:
    x = b.relu6(b.conv(b.x, 3, 8, 3, stride=2))
    return [b.relu(b.conv(x, 8, 8, 3, pads=[0, 1, 2, 1]))]


def _conv_5x5(b: Builder) -> list[str]:
    x = b.relu(b.conv(b.x, 4, 6, 5))
    return [b.conv(x, 6, 9, (1, 3), stride=2)]


def _depthwise(b: Builder) -> list[str]:
    x = b.relu(b.conv(b.x, 6, 6, 3, group=6))
    x = b.relu(b.conv(x, 6, 10, 1))
    x = b.relu6(b.conv(x, 10, 10, 5, stride=2, group=10))
    return [b.conv(x, 10, 20, 3, group=10)]


def _residual(b: Builder) -> list[str]:
    x = b.relu(b.conv(b.x, 3, 8, 3))
    y = b.relu(b.conv(x, 8, 16, 1))
    y = b.relu(b.conv(y, 16, 16, 3, group=16))
    y = b.conv(y, 16, 8, 1)
    z = b.relu(b.node("Add", x, y))
    return [b.node("Add", z, b.conv(z, 8, 8, 3))]


def _pools(b: Builder) -> list[str]:
    x = b.relu(b.conv(b.x, 3, 8, 3))
    x = b.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    x = b.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = b.relu(b.conv(x, 8, 8, 1))
    return [
        b.node("AveragePool", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1]),
    ]


def _dense(b: Builder) -> list[str]:
    x = b.node("Flatten", b.x, axis=1)
    x = b.relu(b.dense(x, 40, 24))
    x = b.dense(x, 24, 10)
    return [x]


def _concat(b: Builder) -> list[str]:
    x = b.relu(b.conv(b.x, 3, 8, 1))
    y = b.relu(b.conv(x, 8, 6, 3))
    z = b.conv(x, 8, 5, 1)
    return [b.relu(b.conv(b.node("Concat", y, z, x, axis=1), 19, 4, 1))]


def _classifier(b: Builder) -> list[str]:
    x = b.relu6(b.conv(b.x, 3, 8, 3, stride=2))
    x = b.relu6(b.conv(x, 8, 8, 3, group=8))
    x = b.relu(b.conv(x, 8, 16, 1))
    x = b.node("GlobalAveragePool", x)
    x = b.node("Flatten", x, axis=1)
    return [b.node("Softmax", b.dense(x, 16, 10), axis=-1)]


def _flatten_dense(b: Builder) -> list[str]:
    """Flattening a feature map in NCHW order: the dense weights have to be permuted."""
    x = b.relu(b.conv(b.x, 3, 8, 3, stride=2))
    x = b.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = b.node("Reshape", x, b.constant(np.array([1, 8 * 4 * 4], np.int64)))
    return [b.dense(b.relu(b.dense(x, 8 * 4 * 4, 16)), 16, 6)]


def _upsample(b: Builder) -> list[str]:
    x = b.relu(b.conv(b.x, 3, 8, 3, stride=2))
    y = b.relu(b.conv(x, 8, 8, 3, stride=2))
    y = b.node(
        "Resize",
        y,
        "",
        b.constant(np.array([1, 1, 2, 2], np.float32)),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    return [b.conv(b.node("Add", x, y), 8, 4, 1)]


def _gate(b: Builder) -> list[str]:
    """A squeeze-and-excite without its sigmoid: broadcast multiplication, and one by a constant."""
    x = b.relu(b.conv(b.x, 3, 8, 3))
    s = b.node("ReduceMean", x, axes=[2, 3], keepdims=1)
    s = b.relu6(b.conv(s, 8, 8, 1))
    x = b.node("Mul", x, s)
    scale = b.constant(b.random.uniform(0.5, 2, (1, 8, 1, 1)).astype(np.float32))
    return [b.relu(b.conv(b.node("Mul", x, scale), 8, 4, 1))]


def _two_outputs(b: Builder) -> list[str]:
    x = b.relu(b.conv(b.x, 3, 8, 3))
    x = b.node("Pad", x, b.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)))
    left = b.relu(b.conv(x, 8, 4, 3, pads=[0, 0, 0, 0]))
    right = b.node("Transpose", b.conv(x, 8, 2, 1), perm=[0, 2, 3, 1])
    return [left, right]


NETWORKS: dict[str, tuple[tuple[int, ...], Callable[[Builder], list[str]]]] = {
    "conv_1x1": ((1, 5, 9, 7), _conv_1x1),
    "conv_3x3": ((1, 3, 16, 16), _conv_3x3),
    "conv_5x5": ((1, 4, 11, 13), _conv_5x5),
    "depthwise": ((1, 6, 12, 12), _depthwise),
    "residual": ((1, 3, 10, 10), _residual),
    "pools": ((1, 3, 16, 16), _pools),
    "dense": ((1, 2, 4, 5), _dense),
    "concat": ((1, 3, 8, 8), _concat),
    "classifier": ((1, 3, 16, 16), _classifier),
    "flatten_dense": ((1, 3, 16, 16), _flatten_dense),
    "upsample": ((1, 3, 16, 16), _upsample),
    "gate": ((1, 3, 8, 8), _gate),
    "two_outputs": ((1, 3, 8, 8), _two_outputs),
}


def float_model(name: str) -> onnx.ModelProto:
    """The network before quantisation."""
    shape, build = NETWORKS[name]
    builder = Builder(zlib.crc32(name.encode()), shape)
    return builder.model(build(builder))


def samples(name: str, count: int, seed: int = 1) -> np.ndarray:
    """float32 [count, *input shape]: inputs like those of the calibration."""
    shape, _ = NETWORKS[name]
    return np.random.default_rng(seed).normal(0, 1, (count, *shape)).astype(np.float32)


@cache
def _quantised_bytes(name: str, unsigned: bool, per_channel: bool, symmetric: bool) -> bytes:
    return quantise(
        float_model(name),
        samples(name, 16, seed=0),
        unsigned=unsigned,
        per_channel=per_channel,
        symmetric=symmetric,
    )


def quantise(
    model: onnx.ModelProto,
    calibration: np.ndarray,
    *,
    unsigned: bool = False,
    per_channel: bool = True,
    symmetric: bool = False,
) -> bytes:
    """The model file that onnxruntime's static QDQ quantisation makes of a float model.

    With `symmetric` activations relu and clip stay in the graph; else they vanish in the range.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.samples = iter(calibration)

        def get_next(self) -> dict[str, np.ndarray] | None:
            sample = next(self.samples, None)
            return None if sample is None else {"input": sample}

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        onnx.save(model, source)
        quantize_static(
            source,
            target,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=per_channel,
            activation_type=QuantType.QUInt8 if unsigned else QuantType.QInt8,
            weight_type=QuantType.QInt8,
            extra_options={"ActivationSymmetric": symmetric},
        )
        return target.read_bytes()


def quantised(
    name: str, *, unsigned: bool = False, per_channel: bool = True, symmetric: bool = False
) -> onnx.ModelProto:
    """The network as an int8 (or uint8) QDQ model."""
    return onnx.load_from_string(_quantised_bytes(name, unsigned, per_channel, symmetric))


def save(name: str, folder: Path, **options: bool) -> Path:
    """Writes `quantised(name)` into a folder and gives its path."""
    path = folder / f"{name}.onnx"
    onnx.save(quantised(name, **options), path)
    return path
