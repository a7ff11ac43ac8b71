# SPDX-License-Identifier: Apache-2.0
"""Small networks, built directly, that several tests share."""

from __future__ import annotations

import json

import numpy as np

from tinyengine_tvm.artifact import Artifact
from tinyengine_tvm.network import (
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Mode,
    Network,
    Padding,
    Quantisation,
    Reshape,
    Tensor,
    verify,
)


def generated(artifact: Artifact) -> dict[str, object]:
    """All that was generated, but for the options that the report repeats."""
    report = {k: v for k, v in json.loads(artifact.files["report.json"]).items() if k != "options"}
    return {**artifact.files, "report.json": report}


def int8_tensor(name: str, shape: tuple[int, ...], scale: float = 0.05, zero: int = -3) -> Tensor:
    return Tensor(name, shape, "int8", Quantisation(scale, zero))


def small_network(mode: Mode = "tflite", seed: int = 0) -> Network:
    """conv2d 3x3 stride 2, depthwise 3x3, reshape, dense: 9x7x5 to 10 values."""
    rng = np.random.default_rng(seed)

    def weights(*shape: int) -> np.ndarray:
        return rng.integers(-127, 128, shape).astype(np.int8)

    def bias(count: int) -> np.ndarray:
        return rng.integers(-1000, 1000, count).astype(np.int32)

    tensors = [
        int8_tensor("image", (1, 9, 7, 5)),
        int8_tensor("a", (1, 5, 4, 6)),
        int8_tensor("b", (1, 5, 4, 6)),
        int8_tensor("c", (1, 120)),
        int8_tensor("scores", (1, 10)),
    ]
    around = Padding(1, 1, 1, 1)
    scales = rng.uniform(0.0005, 0.002, 6).astype(np.float32)
    layers = (
        Conv2D(
            "conv",
            ("image",),
            "a",
            weights(6, 3, 3, 5),
            scales,
            bias(6),
            stride=(2, 2),
            padding=around,
        ),
        DepthwiseConv2D(
            "depthwise", ("a",), "b", weights(3, 3, 6), scales * 2, bias(6), padding=around
        ),
        Reshape("flatten", ("b",), "c"),
        Dense("dense", ("c",), "scores", weights(10, 120), scales[:1], bias(10)),
    )
    return verify(
        Network("small", mode, {t.name: t for t in tensors}, layers, ("image",), ("scores",))
    )
