# SPDX-License-Identifier: Apache-2.0
"""Models that can't be compiled: one line, exit code 2, and no file, however they are broken."""

from __future__ import annotations

import gc
import random
from collections import Counter

import onnx
import pytest
from onnx import helper

from tests.networks import small_network
from tests.onnx_models import float_model, quantised, save
from tests.tflite_models import write_tflite

MUTATIONS = 300
"""Per format."""


@pytest.fixture
def rejected(refused, tmp_path):
    """Compiles a model that is no good; gives the line that says why."""

    def compile_bad(model, *options):
        path = model
        if isinstance(model, onnx.ModelProto):
            path = tmp_path / "model.onnx"
            onnx.save(model, path)
        before = sorted(tmp_path.iterdir())
        line = refused("compile", path, "-o", tmp_path / "out", *options)
        assert sorted(tmp_path.iterdir()) == before
        return line

    return compile_bad


def test_float_models(rejected):
    line = rejected(float_model("conv_3x3"))
    assert "float" in line or "quantis" in line


def test_operators_outside_the_list_are_all_named(rejected):
    model = quantised("conv_3x3")
    graph = model.graph
    end = graph.output[0].name
    for kind in ("Celu", "LpNormalization"):
        graph.node.append(helper.make_node(kind, [end], [f"after_{kind}"], name=f"my_{kind}"))
        end = f"after_{kind}"
    graph.output[0].name = end
    line = rejected(model)
    assert line.startswith("2 unsupported operators: ")
    for kind in ("celu", "lpnormalization"):
        assert kind in line.lower()


def test_dynamic_shapes(rejected):
    model = quantised("conv_3x3")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    assert "shape" in rejected(model) or "batch" in rejected(model)


@pytest.mark.parametrize("suffix", [".onnx", ".tflite", ".h5"])
@pytest.mark.parametrize("content", [b"", b"hello\n", bytes(range(256)) * 8])
def test_other_files(rejected, tmp_path, suffix, content):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    line = rejected(path)
    assert "not a valid" in line or "empty" in line or str(path) in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target", "cortex-a72"], "unknown target 'cortex-a72'; choose one of: host"),
        (["--name", "My Net"], "name 'My Net'"),
        (["--name", "1st"], "name '1st'"),
        (["--no-rewrite", "magic"], "unknown rewrite 'magic'"),
    ],
)
def test_options_that_name_nothing(rejected, tmp_path, options, message):
    assert message in rejected(save("conv_1x1", tmp_path), *options)


def damaged(good: bytes, source: random.Random) -> bytes:
    """A truncation, or one to ten flipped bits; structure lies mostly at both ends of a file."""
    if source.random() < 0.25:
        return good[: source.randrange(len(good))]
    content = bytearray(good)
    for _ in range(source.choice([1, 1, 3, 10])):
        end = source.choice([len(good), 600])
        position = source.randrange(min(end, len(good)))
        if source.random() < 0.5:
            position = len(good) - 1 - position
        content[position] ^= 1 << source.randrange(8)
    return bytes(content)


@pytest.fixture
def cheap_collections():
    """Takes all that is loaded so far off the collector, which the command runs after a failure."""
    pytest.importorskip("tvm")
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("cheap_collections")
@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_damaged_models(tinyengine, tmp_path, suffix):
    """Some flips only change a weight; those compile."""
    if suffix == ".onnx":
        good = quantised("residual").SerializeToString()
    else:
        good = write_tflite(small_network())
    source = random.Random(1)
    codes: Counter[int] = Counter()
    for number in range(MUTATIONS):
        folder = tmp_path / str(number)
        folder.mkdir()
        model = folder / f"model{suffix}"
        model.write_bytes(damaged(good, source))
        result = tinyengine("compile", model, "-o", folder / "out")
        codes[result.code] += 1
        written = sorted(p.name for p in folder.iterdir())
        if result.code == 0:
            assert result.err == ""
            assert written == [model.name, "out"]
            assert len(list((folder / "out").iterdir())) == 5
        else:
            assert result.code == 2, (number, result)
            assert result.out == ""
            assert result.err.startswith("error: ") and result.err.count("\n") == 1, result
            assert written == [model.name]
    assert codes[2] > MUTATIONS // 4 and codes[0] > 0
