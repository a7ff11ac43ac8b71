# SPDX-License-Identifier: Apache-2.0
"""Rewrites of layout and clean-up: results stay, bit for bit, and what should vanish does."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.networks import int8_tensor
from tests.onnx_models import NETWORKS, save
from tests.rewrites.shuffled_networks import sample, shuffled_network
from tinyengine_tvm.importers import import_network
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.network import (
    Add,
    Clip,
    Conv2D,
    Dense,
    Dequantize,
    Layer,
    MaxPool2D,
    Mean,
    Network,
    Pad,
    Padding,
    Reshape,
    Tensor,
    Transpose,
    verify,
)
from tinyengine_tvm.rewrites import REWRITES, apply
from tinyengine_tvm.rewrites.cancel_transposes import cancel_transposes
from tinyengine_tvm.rewrites.edit import bytes_moved
from tinyengine_tvm.rewrites.fold_padding import fold_padding
from tinyengine_tvm.rewrites.fuse_clip import fuse_clip
from tinyengine_tvm.rewrites.merge_reshapes import merge_reshapes

LAYOUT = {f.__name__: f for f in (cancel_transposes, merge_reshapes, fold_padding, fuse_clip)}


def counts(network: Network) -> Counter[str]:
    return Counter(layer.op for layer in network.layers)


def assert_same(before: Network, after: Network, seed: int = 0) -> None:
    verify(after)
    assert after.inputs == before.inputs and after.outputs == before.outputs
    for name in (*before.inputs, *before.outputs):
        a, b = before.tensor(name), after.tensor(name)
        assert (a.shape, a.dtype, a.quantisation) == (b.shape, b.dtype, b.quantisation)
    values = sample(before, seed)
    expected, result = run_reference(before, values), run_reference(after, values)
    for name, value in expected.items():
        np.testing.assert_array_equal(result[name], value, err_msg=name)


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
@pytest.mark.parametrize("name", LAYOUT)
def test_no_rewrite_changes_a_result(name, mode):
    changed = 0
    for seed in range(150):
        network = shuffled_network(seed, mode)
        rewritten = LAYOUT[name](network)
        assert_same(network, rewritten, seed)
        assert bytes_moved(rewritten) <= bytes_moved(network)
        if name != "cancel_transposes":
            # What has run finds nothing more to do; moving transposes is a search and may.
            assert counts(LAYOUT[name](rewritten)) == counts(rewritten)
        changed += counts(rewritten) != counts(network)
    assert changed >= 10


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
def test_all_rewrites_together_change_no_result(mode):
    for seed in range(150, 250):
        network = shuffled_network(seed, mode)
        assert_same(network, apply(network), seed)


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_networks_keep_only_the_transposes_of_their_interface(name, tmp_path):
    network = import_network(save(name, tmp_path), name="net")
    rewritten = apply(network)
    interface = [*rewritten.inputs, *rewritten.outputs]
    maps = [n for n in interface if len(rewritten.tensor(n).shape) == 4]
    channels_first = [n for n in maps if n in rewritten.inputs or name != "two_outputs"]
    if name == "two_outputs":
        # The second output is NHWC already.
        channels_first += list(rewritten.outputs[:1])
    spatial = name != "dense"
    assert counts(rewritten)["transpose"] == (len(channels_first) if spatial else 0)
    assert counts(network)["transpose"] >= counts(rewritten)["transpose"]


def network_of(layers: list[Layer], tensors: list[Tensor], outputs=("y",)) -> Network:
    named = {tensor.name: tensor for tensor in tensors}
    return verify(Network("n", "tflite", named, tuple(layers), ("x",), outputs))


def test_a_transpose_and_its_inverse_vanish_even_at_an_output():
    tensors = [int8_tensor("x", (1, 2, 3, 4)), int8_tensor("c", (1, 2, 3, 4))]
    tensors += [int8_tensor("a", (1, 4, 2, 3)), int8_tensor("y", (1, 2, 3, 4))]
    layers = [
        Clip("clip", ("x",), "c", (-5, 5)),
        Transpose("t", ("c",), "a", (0, 3, 1, 2)),
        Transpose("u", ("a",), "y", (0, 2, 3, 1)),
    ]
    network = network_of(layers, tensors)
    rewritten = cancel_transposes(network)
    assert [layer.name for layer in rewritten.layers] == ["clip"]
    assert_same(network, rewritten)


def test_a_transpose_before_a_flattened_dense_layer_goes_into_the_weights():
    rng = np.random.default_rng(3)
    tensors = [int8_tensor("x", (1, 3, 4, 5)), int8_tensor("t", (1, 5, 3, 4))]
    tensors += [int8_tensor("f", (1, 60)), int8_tensor("y", (1, 7), 1.5)]
    weight = rng.integers(-127, 128, (7, 60)).astype(np.int8)
    layers = [
        Transpose("t", ("x",), "t", (0, 3, 1, 2)),
        Reshape("f", ("t",), "f"),
        Dense("d", ("f",), "y", weight, np.full(1, 0.01, np.float32), np.zeros(7, np.int32)),
    ]
    network = network_of(layers, tensors)
    rewritten = cancel_transposes(network)
    assert counts(rewritten) == {"reshape": 1, "dense": 1}
    assert not np.array_equal(rewritten.layers[-1].weight, weight)
    assert_same(network, rewritten)


def test_a_transpose_moves_bytes_not_floats():
    tensors = [int8_tensor("x", (1, 2, 3, 4)), int8_tensor("c", (1, 2, 3, 4))]
    tensors += [Tensor("f", (1, 2, 3, 4), "float32"), Tensor("y", (1, 4, 2, 3), "float32")]
    layers = [
        Clip("c", ("x",), "c", (-9, 9)),
        Dequantize("d", ("c",), "f"),
        Transpose("t", ("f",), "y", (0, 3, 1, 2)),
    ]
    network = network_of(layers, tensors)
    rewritten = cancel_transposes(network)
    assert [layer.op for layer in rewritten.layers] == ["clip", "transpose", "dequantize"]
    assert_same(network, rewritten)


def test_a_transpose_of_ones_becomes_a_reshape():
    tensors = [int8_tensor("x", (1, 1, 1, 9)), int8_tensor("y", (1, 9, 1, 1))]
    network = network_of([Transpose("t", ("x",), "y", (0, 3, 1, 2))], tensors)
    rewritten = cancel_transposes(network)
    assert counts(rewritten) == {"reshape": 1}
    assert_same(network, rewritten)


def test_two_means_after_a_transpose_keep_their_own_roundings():
    """TRANSPOSE, MEAN, MEAN as MCUNet's head has them."""
    tensors = [int8_tensor("x", (1, 3, 4, 8)), int8_tensor("t", (1, 8, 3, 4))]
    tensors += [int8_tensor("m", (1, 8, 3), 0.03, 7), int8_tensor("y", (1, 8), 0.02, -9)]
    layers = [
        Transpose("t", ("x",), "t", (0, 3, 1, 2)),
        Mean("m", ("t",), "m", (3,)),
        Mean("n", ("m",), "y", (2,)),
    ]
    network = network_of(layers, tensors)
    rewritten = cancel_transposes(network)
    assert [(layer.op, layer.axes) for layer in rewritten.layers] == [
        ("mean", (2,)),
        ("mean", (1,)),
    ]
    assert rewritten.output_of(rewritten.layers[0]).quantisation == tensors[2].quantisation
    assert_same(network, rewritten)


def padded(value: int, pads, reader: str) -> Network:
    tensors = [int8_tensor("x", (1, 5, 6, 3)), int8_tensor("y", (1, 5, 5, 4), 0.5)]
    shape = tuple(d + a + b for d, (a, b) in zip((1, 5, 6, 3), pads, strict=True))
    tensors.append(int8_tensor("p", shape))
    weight = np.full((4, 3, 3, shape[3]), 3, np.int8)
    if reader == "conv":
        layer: Layer = Conv2D(
            "c", ("p",), "y", weight, np.full(1, 0.01, np.float32), np.zeros(4, np.int32)
        )
        size = (shape[1] - 2, shape[2] - 2, 4)
        tensors[1] = int8_tensor("y", (1, *size), 0.5)
    else:
        layer = MaxPool2D("m", ("p",), "y", (3, 3))
        tensors[1] = int8_tensor("y", (1, shape[1] - 2, shape[2] - 2, shape[3]))
    return network_of([Pad("pad", ("x",), "p", pads, value), layer], tensors)


ROWS_AND_COLUMNS = ((0, 0), (0, 2), (1, 0), (0, 0))


@pytest.mark.parametrize(
    ("value", "pads", "reader", "folds"),
    [
        (-3, ROWS_AND_COLUMNS, "conv", True),
        (-128, ROWS_AND_COLUMNS, "max", True),
        # Another value than the zero point, padded channels, a pool that would see the zero point.
        (0, ROWS_AND_COLUMNS, "conv", False),
        (-3, ((0, 0), (0, 0), (0, 0), (0, 1)), "conv", False),
        (-3, ROWS_AND_COLUMNS, "max", False),
        # A window of three rows that lie in the padding altogether has no maximum.
        (-128, ((0, 0), (3, 0), (0, 0), (0, 0)), "max", False),
    ],
)
def test_padding_is_folded_only_where_it_means_the_same(value, pads, reader, folds):
    network = padded(value, pads, reader)
    rewritten = fold_padding(network)
    assert counts(rewritten)["pad"] == (0 if folds else 1)
    if folds:
        assert rewritten.layers[0].padding == Padding(top=0, bottom=2, left=1, right=0)
    assert_same(network, rewritten)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((-128, 127), (0, 60), (0, 60)),
        ((-20, 40), (0, 60), (0, 40)),
        # Disjoint: only the nearer bound of the second remains.
        ((-100, -50), (0, 60), (0, 0)),
        ((70, 90), (0, 60), (60, 60)),
    ],
)
def test_a_clip_becomes_part_of_the_clamp(first, second, expected):
    tensors = [int8_tensor(name, (1, 6)) for name in "xay"]
    layers = [Add("add", ("x", "x"), "a", first), Clip("clip", ("a",), "y", second)]
    network = network_of(layers, tensors)
    rewritten = fuse_clip(network)
    (layer,) = rewritten.layers
    assert (layer.name, layer.output, layer.clamp) == ("add", "y", expected)
    assert_same(network, rewritten)


def test_a_clip_stays_where_its_input_is_read_elsewhere():
    tensors = [int8_tensor(name, (1, 6)) for name in "xay"]
    layers = [Add("add", ("x", "x"), "a"), Clip("clip", ("a",), "y", (0, 60))]
    network = network_of(layers, tensors, ("y", "a"))
    assert counts(fuse_clip(network)) == {"add": 1, "clip": 1}


def test_reshapes_in_a_row_become_one_and_those_without_effect_none():
    tensors = [int8_tensor("x", (1, 4, 6)), int8_tensor("a", (24,)), int8_tensor("b", (2, 12))]
    tensors += [int8_tensor("c", (1, 4, 6)), int8_tensor("y", (1, 4, 6))]
    layers = [
        Reshape("r", ("x",), "a"),
        Reshape("s", ("a",), "b"),
        Reshape("t", ("b",), "c"),
        Clip("clip", ("c",), "y", (0, 60)),
    ]
    network = network_of(layers, tensors)
    rewritten = merge_reshapes(network)
    assert [layer.name for layer in rewritten.layers] == ["clip"]
    assert_same(network, rewritten)


def test_rewrites_can_be_disabled_by_name(tmp_path):
    network = import_network(save("conv_3x3", tmp_path), name="net")
    kept = apply(network, frozenset(REWRITES))
    assert kept is network
    without = apply(network, {"cancel_transposes"})
    assert counts(without)["transpose"] == counts(network)["transpose"] > 2
    with pytest.raises(ValueError, match="no rewrite is named nonsense"):
        apply(network, {"nonsense"})


def test_a_float_mean_keeps_the_order_of_its_sum():
    """Mode onnx adds float32 values, which round differently in another order."""
    tensors = [int8_tensor("x", (1, 4, 5, 6)), int8_tensor("t", (1, 4, 6, 5))]
    tensors.append(int8_tensor("y", (1, 4, 1, 1)))
    layers = [Transpose("t", ("x",), "t", (0, 1, 3, 2)), Mean("m", ("t",), "y", (2, 3))]
    named = {tensor.name: tensor for tensor in tensors}
    left = {}
    for mode in ("tflite", "onnx"):
        network = verify(Network("n", mode, named, tuple(layers), ("x",), ("y",)))
        left[mode] = counts(cancel_transposes(network))["transpose"]
    assert left == {"tflite": 0, "onnx": 1}
