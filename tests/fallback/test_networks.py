# SPDX-License-Identifier: Apache-2.0
"""Whole networks with operators that no kernel takes, against onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.fallback.networks import FLOAT, QUANTISED, float_model, quantised, samples
from tinyengine_tvm import compile_model
from tinyengine_tvm.artifact import Artifact
from tinyengine_tvm.boards import get_board
from tinyengine_tvm.errors import UnsupportedOperators

pytest.importorskip("tvm.relax")


def expected(model: bytes, inputs: np.ndarray) -> list[np.ndarray]:
    """onnxruntime's outputs, [samples, *shape] each."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options)
    rows = [session.run(None, {"input": sample}) for sample in inputs]
    return [np.stack(column) for column in zip(*rows, strict=True)]


def steps_of(model: bytes) -> list[float]:
    """The scale of each output."""
    graph = onnx.load_from_string(model).graph
    values = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    made = {node.output[0]: node for node in graph.node}
    steps = []
    for output in graph.output:
        node = made[output.name]
        while node.op_type != "DequantizeLinear":
            node = made[node.input[0]]
        steps.append(float(values[node.input[1]]))
    return steps


def saved(folder: Path, model: bytes) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model)
    return path


@pytest.mark.parametrize("unsigned", [False, True], ids=["int8", "uint8"])
@pytest.mark.parametrize("name", QUANTISED)
def test_quantised_networks(name, unsigned, tmp_path):
    model = quantised(name, unsigned)
    artifact = compile_model(saved(tmp_path, model), target="host")
    inputs = samples(name, 40, seed=3)
    board = get_board("host")
    folder = artifact.save(tmp_path / "net")
    program = board.build(folder, tmp_path / "build", sanitize=True, cflags=("-Werror",))
    got = list(board.execute(program, {"input": inputs}).outputs.values())
    assert len(got) == len(onnx.load_from_string(model).graph.output)
    for value, want, step in zip(got, expected(model, inputs), steps_of(model), strict=True):
        away = np.abs(value - want) / step
        assert (away < 1.01).mean() >= 0.999
        assert (away < 0.01).mean() >= 0.9


def test_activations_are_tables_and_no_transpose_is_left_between_layers(tmp_path):
    artifact = compile_model(saved(tmp_path, quantised("activations")))
    operators = artifact.report["operators"]
    assert operators == {
        "quantize": 1,
        "transpose": 2,
        "conv2d": 8,
        "lookup": 7,
        "dequantize": 1,
    }
    told = [layer["operators"] for layer in artifact.report["fallback"]["layers"]]
    assert [names[1] for names in told if len(names) == 3] == [
        "sigmoid",
        "tanh",
        "leaky_relu",
        "erf",
    ]


def test_a_quantised_network_on_a_board(tmp_path):
    model = quantised("mcunet_v3")
    inputs = samples("mcunet_v3", 2, seed=4)
    artifact = compile_model(saved(tmp_path, model))
    got = list(artifact.run("mps2-an386", inputs).values())
    on_host = compile_model(saved(tmp_path, model), target="host").run("host", inputs)
    for value, want in zip(got, on_host.values(), strict=True):
        np.testing.assert_array_equal(value, want)


@pytest.mark.parametrize(
    ("target", "board"), [("cortex-m4", "mps2-an386"), ("cortex-m7", "mps2-an500")]
)
@pytest.mark.parametrize("name", FLOAT)
def test_float_networks_on_boards(name, target, board, tmp_path):
    model = float_model(name).SerializeToString()
    artifact = compile_model(saved(tmp_path, model), target=target, allow_slow=True)
    inputs = samples(name, 3, seed=2)
    got = list(artifact.run(board, inputs).values())
    for value, want in zip(got, expected(model, inputs), strict=True):
        np.testing.assert_allclose(value, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", FLOAT)
def test_products_stop_the_compile_by_name(name, tmp_path):
    model = float_model(name)
    with pytest.raises(Exception, match="--allow-slow") as caught:
        compile_model(saved(tmp_path, model.SerializeToString()))
    products = [n.name for n in model.graph.node if n.op_type in ("Conv", "Gemm", "MatMul")]
    assert products
    for product in products:
        assert f"'{product}'" in str(caught.value)


def test_products_of_a_quantised_network_stop_the_compile_as_well(tmp_path):
    model = onnx.load_from_string(quantised("branches"))
    conv = next(n for n in model.graph.node if n.op_type == "Conv")
    conv.attribute.append(onnx.helper.make_attribute("dilations", [2, 2]))
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    kept = [a for a in conv.attribute if a.name != "pads"]
    del conv.attribute[:]
    conv.attribute.extend([*kept, onnx.helper.make_attribute("pads", [2, 2, 2, 2])])
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    path = saved(tmp_path, model.SerializeToString())
    with pytest.raises(UnsupportedOperators, match="dilation") as caught:
        compile_model(path)
    assert len(caught.value.operators) == 1
    assert "--allow-slow" in str(caught.value)
    inputs = samples("branches", 10, seed=5)
    got = compile_model(path, target="host", allow_slow=True).run("host", inputs)
    wanted = expected(model.SerializeToString(), inputs)
    for value, want, step in zip(got.values(), wanted, steps_of(path.read_bytes()), strict=True):
        assert (np.abs(value - want) / step < 1.01).mean() >= 0.999


def test_the_report_tells_what_fell_back_and_the_profile_what_it_takes(tmp_path):
    artifact = compile_model(saved(tmp_path, quantised("branches")))
    told = artifact.report["fallback"]
    assert any("split" in line for line in told["operators"])
    external = [layer for layer in told["layers"] if layer["op"] == "external"]
    source = artifact.files["model.c"].decode()
    for layer in external:
        assert f" {layer['function']}(" in source
    profile = artifact.profile("mps2-an386")
    taken = {layer.name: layer for layer in profile.layers}
    for layer in external:
        assert taken[layer["name"]].instructions > 0
        assert 0 < taken[layer["name"]].code_bytes < 2000
    others = [layer for layer in profile.layers if layer.op != "external"]
    assert all(layer.code_bytes is None for layer in others)


def test_one_c_file_and_one_arena(tmp_path):
    artifact = compile_model(
        saved(tmp_path, float_model("cnn").SerializeToString()), allow_slow=True
    )
    source = artifact.files["model.c"].decode()
    includes = {line for line in source.splitlines() if line.startswith("#include")}
    assert includes <= {
        '#include "model.h"',
        "#include <stddef.h>",
        "#include <string.h>",
        "#include <math.h>",
    }
    assert source.count("static uint8_t") == 1
    again = compile_model(tmp_path / "model.onnx", allow_slow=True)
    assert again.files == artifact.files
    assert isinstance(artifact, Artifact)
