# SPDX-License-Identifier: Apache-2.0
"""CMSIS-NN called directly, with a naive library in its place."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from tests.bench.conftest import BOARD, STUB
from tests.networks import int8_tensor, small_network
from tinyengine_tvm.bench import Subject
from tinyengine_tvm.bench.cmsis_nn import CmsisNN, prepared
from tinyengine_tvm.bench.rows import Unable
from tinyengine_tvm.boards import get_board
from tinyengine_tvm.errors import BoardError, TinyEngineError
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.memory import plan_memory
from tinyengine_tvm.network import Conv2D, DepthwiseConv2D, Mean, Network, Padding, verify
from tinyengine_tvm.targets import get_target

M4 = get_target("cortex-m4")


def test_outputs_sizes_and_layers(model, stub, tmp_path):
    subject = Subject.load(model)
    peer = CmsisNN.open(str(stub), [STUB], M4)
    row, (outputs,) = peer.measure(subject, get_board(BOARD), M4, tmp_path)
    network = subject.network
    for sample, output in zip(subject.inputs[network.inputs[0]], outputs, strict=True):
        (expected,) = run_reference(network, {network.inputs[0]: sample}).values()
        np.testing.assert_array_equal(output, expected)
    conv = network.layers[0].name
    # The library wants two bytes per value of a window.
    plan = plan_memory(network, {conv: 2 * 3 * 3 * 5})
    assert plan.arena_bytes > plan_memory(network, {}).arena_bytes
    # The linker rounds up to a word.
    assert 0 <= row.sram_bytes - plan.arena_bytes < 4
    assert row.weights_flash_bytes == 6 * 45 + 6 * 12 + 54 + 6 * 12 + 1200 + 10 * 4
    assert 100 < row.code_flash_bytes < 4000
    assert 0 < row.stack_bytes < 400
    assert [layer.operator for layer in row.layers] == ["conv2d", "depthwise_conv2d", "dense"]
    assert [layer.macs for layer in row.layers] == [120 * 45, 120 * 9, 1200]
    counted = sum(layer.instructions for layer in row.layers)
    assert counted == pytest.approx(row.instructions, rel=0.01)
    assert all(layer.instructions > 3 * layer.macs for layer in row.layers)
    assert row.cycles > row.instructions


def test_height_and_width_are_told_apart(stub, tmp_path):
    """Kernels, strides and paddings that differ by direction, and clamps."""
    rng = np.random.default_rng(5)
    tensors = [
        int8_tensor("image", (1, 9, 7, 5)),
        int8_tensor("a", (1, 5, 7, 4)),
        int8_tensor("b", (1, 5, 4, 4)),
    ]
    scales = rng.uniform(0.0005, 0.002, 4).astype(np.float32)
    weights = [rng.integers(-127, 128, s).astype(np.int8) for s in ((4, 3, 5, 5), (5, 1, 4))]
    bias = rng.integers(-1000, 1000, 4).astype(np.int32)
    layers = (
        Conv2D(
            *("conv", ("image",), "a", weights[0], scales, bias, (-100, 90)),
            stride=(2, 1),
            padding=Padding(1, 2, 1, 2),
        ),
        DepthwiseConv2D(
            *("depthwise", ("a",), "b", weights[1], scales * 2, bias, (-90, 100)),
            stride=(1, 2),
            padding=Padding(2, 0, 2, 0),
        ),
    )
    named = {t.name: t for t in tensors}
    network = verify(Network("skewed", "tflite", named, layers, ("image",), ("b",)))
    images = rng.integers(-128, 128, (2, 1, 9, 7, 5)).astype(np.int8)
    subject = Subject("skewed", network, None, {"image": images})
    peer = CmsisNN.open(str(stub), [STUB], M4)
    _, (outputs,) = peer.measure(subject, get_board(BOARD), M4, tmp_path)
    for image, output in zip(images, outputs, strict=True):
        (expected,) = run_reference(network, {"image": image}).values()
        assert len(np.unique(expected)) > 20
        np.testing.assert_array_equal(output, expected)


def test_a_library_without_a_function_is_named(model, archive, tmp_path):
    source = tmp_path / "part.c"
    text = (STUB / "naive.c").read_text()
    # Without the dense layer, the last function.
    source.write_text(text[: text.index("arm_cmsis_nn_status arm_fully_connected_s8")])
    library = archive(source, M4.gcc_flags)
    peer = CmsisNN.open(str(library), [STUB], M4)
    with pytest.raises(TinyEngineError, match="doesn't define arm_fully_connected_s8, which small"):
        peer.measure(Subject.load(model), get_board(BOARD), M4, tmp_path / "work")


def test_a_status_that_is_no_success_is_an_error(model, archive, tmp_path):
    source = tmp_path / "failing.c"
    text = (STUB / "naive.c").read_text()
    source.write_text(re.sub(r"return 0;\n}\n$", "return -1;\n}\n", text))
    peer = CmsisNN.open(str(archive(source, M4.gcc_flags)), [STUB], M4)
    with pytest.raises(BoardError, match=r"CMSIS-NN called directly with small: .* sample 0"):
        peer.measure(Subject.load(model), get_board(BOARD), M4, tmp_path / "work")


def test_what_it_can_not_take():
    def subject(network: Network) -> Subject:
        return Subject("net", network, None, {})

    network, calls = prepared(subject(small_network()))
    assert list(calls) == ["conv", "depthwise", "dense"]
    with pytest.raises(Unable, match="the model ONNX's"):
        prepared(subject(small_network("onnx")))
    b = network.tensor("b")
    mean = Mean("mean", ("b",), "m", axes=(1, 2))
    tensors = {"m": replace(b, name="m", shape=(1, 1, 1, 6))}
    layers = (*network.layers[:2], mean)
    averaged = verify(network.with_layers(layers, tensors, outputs=("m",)))
    with pytest.raises(Unable, match=r"lacks mean$"):
        prepared(subject(averaged))
