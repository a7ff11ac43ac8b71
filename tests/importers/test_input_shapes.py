# SPDX-License-Identifier: Apache-2.0
"""Shapes that the user gives to inputs of models which leave them open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("tvm")

from tests.networks import small_network
from tests.onnx_models import quantised
from tests.tflite_models import write_tflite
from tinyengine_tvm import compile_model
from tinyengine_tvm.errors import TinyEngineError
from tinyengine_tvm.importers import load_model
from tinyengine_tvm.importers.input_shapes import parse_input_shapes

FULL = (1, 3, 16, 16)


def opened(name: str, folder: Path, *, free: dict[int, str | None] | None) -> Path:
    """A network whose input, outputs and all between have free sizes: symbols, or nothing at all.

    `free` maps dimensions of the input; with None not even its rank is known.
    """
    model = quantised(name)
    del model.graph.value_info[:]
    tensor = model.graph.input[0].type.tensor_type
    if free is None:
        tensor.ClearField("shape")
    for index, symbol in (free or {}).items():
        tensor.shape.dim[index].Clear()
        if symbol is not None:
            tensor.shape.dim[index].dim_param = symbol
    for output in model.graph.output:
        for i, dimension in enumerate(output.type.tensor_type.shape.dim):
            dimension.dim_param = (free or {}).get(0) or f"out_{i}" if i == 0 else f"out_{i}"
    path = folder / f"{name}.onnx"
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    "free", [{0: "batch"}, {0: "batch", 2: "height", 3: "width"}, {2: None, 3: None}, None]
)
def test_an_open_onnx_model_becomes_the_fixed_one(free, tmp_path):
    fixed = tmp_path / "fixed.onnx"
    onnx.save(quantised("classifier"), fixed)
    path = opened("classifier", tmp_path, free=free)
    given = compile_model(path, target="host", input_shapes={"input": FULL})
    expected = compile_model(fixed, target="host")
    for name in ("model.c", "model.h"):
        assert given.files[name] == expected.files[name]


def test_another_size_than_the_one_of_training(tmp_path):
    """Against onnxruntime, which takes the open model at any size."""
    import onnxruntime

    path = opened("pools", tmp_path, free={2: "height", 3: "width"})
    artifact = compile_model(path, target="host", input_shapes={"input": [1, 3, 12, 20]})
    x = np.random.default_rng(0).normal(0, 1, (2, 1, 3, 12, 20)).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options)
    (got,) = artifact.run("host", x).values()
    for sample, y in zip(x, got, strict=True):
        (expected,) = session.run(None, {"input": sample})
        np.testing.assert_array_equal(y, expected)


def test_without_shapes_the_option_is_named(tmp_path):
    path = opened("classifier", tmp_path, free={0: "batch", 2: None})
    with pytest.raises(TinyEngineError) as caught:
        load_model(path)
    message = str(caught.value)
    assert "'input' has a dynamic shape" in message and "\n" not in message
    assert '--input-shapes "input:[batch,3,?,16]" with numbers for batch, ?' in message
    with pytest.raises(TinyEngineError, match=r"input:\[\.\.\.\]"):
        load_model(opened("classifier", tmp_path, free=None))


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({"image": FULL}, "no input 'image'; its inputs are: input"),
        ({"input": FULL[1:]}, "is [batch, 3, height, 16] in the model"),
        ({"input": (1, 4, 16, 16)}, "which [1, 4, 16, 16] doesn't fit"),
        ({"input": (1, 3, 0, 16)}, "can't have size 0"),
        ({"input": (1, 3, -1, 16)}, "can't have size -1"),
        ({"input": (1, 3, 16.5, 16)}, "whole numbers"),
        ({"input": 5}, "whole numbers"),
        ({"input": (2, 3, 16, 16)}, "batch 2; export the model with batch 1"),
        ({"input": (1, 3, 1 << 40, 16)}, "input"),
    ],
)
def test_shapes_that_do_not_fit(shapes, words, tmp_path):
    path = opened("classifier", tmp_path, free={0: "batch", 2: "height"})
    with pytest.raises(TinyEngineError) as caught:
        compile_model(path, input_shapes=shapes)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_size_that_the_model_cannot_compute(tmp_path):
    path = opened("flatten_dense", tmp_path, free={2: "height"})
    with pytest.raises(TinyEngineError) as caught:
        compile_model(path, input_shapes={"input": (1, 3, 24, 16)})
    assert "doesn't take these input shapes" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_symbol_is_one_size(tmp_path):
    path = opened("classifier", tmp_path, free={2: "side", 3: "side"})
    with pytest.raises(TinyEngineError, match="'side' would be 16 and 8"):
        compile_model(path, input_shapes={"input": (1, 3, 16, 8)})
    fixed = compile_model(path, input_shapes={"input": FULL})
    assert fixed.metadata["inputs"][0]["shape"] == list(FULL)


def free_tflite(folder: Path) -> Path:
    """The small network with batch and size open in its signatures."""
    path = folder / "free.tflite"
    path.write_bytes(write_tflite(small_network(), free=(0, 1, 2)))
    return path


def test_shapes_of_a_tflite_file_are_confirmed(tmp_path):
    path = free_tflite(tmp_path)
    with pytest.raises(TinyEngineError) as caught:
        compile_model(path, target="host")
    assert '--input-shapes "image:[1,9,7,5]"' in str(caught.value)
    fixed = tmp_path / "fixed.tflite"
    fixed.write_bytes(write_tflite(small_network()))
    given = compile_model(path, target="host", input_shapes={"image": (1, 9, 7, 5)})
    assert given.files["model.c"] == compile_model(fixed, target="host").files["model.c"]


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({"image": (1, 18, 7, 5)}, "convert the model again"),
        ({"image": (1, 9, 7, 6)}, "which [1, 9, 7, 6] doesn't fit"),
        ({"data": (1, 9, 7, 5)}, "its inputs are: image"),
    ],
)
def test_other_shapes_than_the_tflite_file_holds(shapes, words, tmp_path):
    with pytest.raises(TinyEngineError) as caught:
        compile_model(free_tflite(tmp_path), input_shapes=shapes)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_module_states_its_own_shapes(tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(quantised("dense"), path)
    with pytest.raises(TinyEngineError, match="a TVM module states its own"):
        compile_model(load_model(path), input_shapes={"input": (1, 2, 4, 5)})


def test_what_may_be_written():
    assert parse_input_shapes("data:[1,96,96,3]") == {"data": (1, 96, 96, 3)}
    assert parse_input_shapes(" a:0:[ 1, 2 ] , b/c:[3]") == {"a:0": (1, 2), "b/c": (3,)}
    assert parse_input_shapes("a:[1]b:[2]") == {"a": (1,), "b": (2,)}
