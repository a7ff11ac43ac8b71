# SPDX-License-Identifier: Apache-2.0
"""The model that ships, its test images, and the demo that runs them."""

from __future__ import annotations

import gzip
import importlib.util
import io
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from rich.console import Console

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MODEL = EXAMPLES / "models/fashion_mnist_tiny.onnx"
DATA_SET = Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture(scope="module")
def shipped() -> dict[str, np.ndarray]:
    with np.load(EXAMPLES / "fashion_mnist/test_images.npz") as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo", EXAMPLES / "fashion_mnist/demo.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def predict(images: np.ndarray) -> np.ndarray:
    """Logits float32 [n, 10] of uint8 images [n, 28, 28], by onnxruntime as the graph stands."""
    ort = pytest.importorskip("onnxruntime")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
    pixels = (images.astype(np.float32) / np.float32(255))[:, None, None]
    return np.concatenate([session.run(None, {"image": x})[0] for x in pixels])


def read_idx(name: str, header: int) -> np.ndarray:
    """The unsigned bytes of a gzipped IDX file behind its header."""
    path = DATA_SET / name
    if not path.is_file():
        pytest.skip("the Debian package dataset-fashion-mnist is not installed")
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, -1, header)


def test_the_interface_is_float_and_the_inside_int8_per_channel() -> None:
    graph = onnx.load(MODEL).graph
    shapes = {
        v.name: (v.type.tensor_type.elem_type, [d.dim_value for d in v.type.tensor_type.shape.dim])
        for v in (*graph.input, *graph.output)
    }
    assert shapes == {
        "image": (onnx.TensorProto.FLOAT, [1, 1, 28, 28]),
        "logits": (onnx.TensorProto.FLOAT, [1, 10]),
    }
    held = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    quantised = {n.output[0]: held[n.input[0]] for n in graph.node if n.input[0] in held}
    scales = {n.output[0]: held[n.input[1]] for n in graph.node if n.input[0] in held}
    kinds = [n.op_type for n in graph.node]
    assert kinds.count("Add") >= 1
    depthwise = 0
    for node in graph.node:
        if node.op_type == "Conv":
            weight = quantised[node.input[1]]
            assert weight.dtype == np.int8
            assert scales[node.input[1]].shape == (weight.shape[0],)
            groups = next(a.i for a in node.attribute if a.name == "group")
            depthwise += groups == weight.shape[0] > 1
    assert depthwise >= 3
    weights = sum(array.size for array in quantised.values() if array.dtype == np.int8)
    assert 20_000 <= weights <= 30_000


def test_the_stored_reference_is_what_onnxruntime_computes(shipped: dict[str, np.ndarray]) -> None:
    images, reference = shipped["images"], shipped["reference"]
    assert images.shape == (300, 28, 28) and images.dtype == np.uint8
    assert reference.shape == (300, 10) and reference.dtype == np.float32
    assert np.array_equal(predict(images), reference)


def test_the_shipped_images_are_the_first_of_the_test_set(shipped: dict[str, np.ndarray]) -> None:
    images = read_idx("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    assert np.array_equal(images[:300], shipped["images"])
    assert np.array_equal(read_idx("t10k-labels-idx1-ubyte.gz", 8)[:300], shipped["labels"])


def test_at_least_88_percent_of_the_test_set_are_right() -> None:
    images = read_idx("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    labels = read_idx("t10k-labels-idx1-ubyte.gz", 8)
    assert np.mean(predict(images).argmax(1) == labels) >= 0.88


def test_the_demo_agrees_with_the_reference(demo: ModuleType) -> None:
    if not all(map(shutil.which, ("arm-none-eabi-gcc", "qemu-system-arm"))):
        pytest.skip("needs gcc-arm-none-eabi and qemu-system-arm")
    result = demo.measure()
    assert result["samples"] == 300
    assert result["accuracy"] >= 0.88
    # onnxruntime adds in float32, so that a value next to a tie may round the other way in some
    # layer and shift logits of that image by a step.
    assert result["equal"] >= 0.99
    assert result["same_class"] >= 0.99
    assert result["largest_difference"] <= 1
    profile = result["profile"]
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(demo.table(result))
    text = console.export_text()
    for figure in (profile["instructions"], profile["sram"]["total"], profile["flash"]["total"]):
        assert f"{figure:,}" in text
    assert f"{100 * result['accuracy']:.1f} %" in text
