# SPDX-License-Identifier: Apache-2.0
"""A compiled network against its model: faults that are planted in the C are named by layer."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import onnx_models
from tinyengine_tvm import compile_model
from tinyengine_tvm.artifact import Artifact
from tinyengine_tvm.boards import get_board
from tinyengine_tvm.errors import BoardError, ModelError
from tinyengine_tvm.validate import Options, samples_for, validate
from tinyengine_tvm.validate.watch import watching_header

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "examples/models/fashion_mnist_tiny.onnx"
BOARD = "mps2-an386"
COUNT = 12


@pytest.fixture(scope="module")
def images() -> tuple[dict[str, np.ndarray], np.ndarray]:
    with np.load(ROOT / "examples/fashion_mnist/test_images.npz") as archive:
        pixels, labels = archive["images"][:COUNT], archive["labels"][:COUNT]
    return {"image": np.float32(pixels / 255).reshape(-1, 1, 1, 28, 28)}, labels.astype(np.int64)


@pytest.fixture(scope="module")
def on_host() -> Artifact:
    return compile_model(MODEL, target="host")


def planted(artifact: Artifact, pattern: str, change: str, folder: Path) -> Artifact:
    """The artifact in a folder, with its C changed."""
    text = artifact.files["model.c"].decode()
    wrong, count = re.subn(pattern, change, text, count=1)
    assert count == 1 and wrong != text
    files = artifact.files | {"model.c": wrong.encode()}
    copy = replace(artifact, files=files, directory=None)
    copy.save(folder)
    return copy


def test_every_layer_is_what_it_must_be(
    on_host: Artifact, images: tuple[dict[str, np.ndarray], np.ndarray]
) -> None:
    pytest.importorskip("onnxruntime")
    inputs, labels = images
    found = validate(on_host, MODEL, inputs, labels, Options(boards=("host",)))
    assert found.passed
    (run,) = found.runs
    assert (run.board, run.target, run.difference) == ("host", "host", None)
    assert (found.samples, found.original) == (COUNT, "onnxruntime")
    outputs = on_host.run("host", inputs)["logits"].reshape(COUNT, -1)
    assert run.accuracy == np.mean(outputs.argmax(1) == labels)
    assert run.agreement == 1.0
    assert all(layer.compared for layer in found.layers)
    assert found.to_json()["passed"] is True


WEIGHT = r"(te_conv2d_4_weight\[[^\]]*\] = \{\s*)-?\d+"


def test_a_wrong_weight_is_found_in_its_layer(
    on_host: Artifact, images: tuple[dict[str, np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    inputs, labels = images
    wrong = planted(on_host, WEIGHT, r"\g<1>77", tmp_path / "net")
    found = validate(wrong, MODEL, inputs, labels, Options(boards=("host",)))
    assert not found.passed
    first = found.runs[0].difference
    assert first is not None
    assert (first.layer, first.operator) == ("conv2d_4", "conv2d")
    names = [layer["name"] for layer in on_host.metadata["layers"]]
    assert names[first.number] == "conv2d_4"
    assert 0 < first.values <= first.elements
    assert first.most >= 1
    assert found.runs[0].equal < 1


@pytest.mark.parametrize("number", [0, 22])
def test_a_layer_that_damages_its_output_is_named(
    number: int,
    on_host: Artifact,
    images: tuple[dict[str, np.ndarray], np.ndarray],
    tmp_path: Path,
) -> None:
    layer = on_host.metadata["layers"][number]
    mark = rf"(TINYENGINE_LAYER\({number + 1}\);)"
    change = rf"tvmgen_net_arena[{layer['output_offset'] + 1}] ^= 1; \1"
    wrong = planted(on_host, mark, change, tmp_path / "net")
    found = validate(wrong, MODEL, images[0], None, Options(boards=("host",), watched=2))
    first = found.runs[0].difference
    assert first is not None
    assert (first.layer, first.number) == (layer["name"], number)
    assert (first.sample, first.most) == (0, 1.0)
    assert np.ravel_multi_index(first.place, layer["output_shape"]) == 1


def test_code_for_a_core_and_its_twin_on_this_machine(
    images: tuple[dict[str, np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    if get_board(BOARD).missing():
        pytest.skip("the tools of the emulated board are missing")
    inputs = {name: array[:4] for name, array in images[0].items()}
    artifact = compile_model(MODEL, target="cortex-m4")
    mark, offset = r"(TINYENGINE_LAYER\(5\);)", artifact.metadata["layers"][4]["output_offset"]
    wrong = planted(artifact, mark, rf"tvmgen_net_arena[{offset}] ^= 2; \1", tmp_path / "net")
    found = validate(wrong, MODEL, inputs)
    assert [(run.board, run.target) for run in found.runs] == [
        ("host", "host"),
        (BOARD, "cortex-m4"),
    ]
    assert found.runs[0].difference is None
    first = found.runs[1].difference
    assert first is not None and first.number == 4


@pytest.mark.parametrize(
    "options",
    [{"sram": 6400}, {"stream_input": True}, {"interface": "int8"}, {"check": True}],
    ids=str,
)
def test_however_it_was_compiled(
    options: dict[str, Any], images: tuple[dict[str, np.ndarray], np.ndarray]
) -> None:
    artifact = compile_model(MODEL, target="host", **options)
    inputs, _ = samples_for(artifact.metadata, {"image": images[0]["image"][:3]})
    found = validate(artifact, MODEL, inputs, None, Options(boards=("host",)))
    assert found.passed
    assert found.runs[0].agreement == 1.0
    compared = [layer.name for layer in found.layers if layer.compared]
    assert len(compared) >= len(found.layers) - 1
    if "sram" in options:
        assert any(layer.operator == "fused" for layer in found.layers)


def test_the_error_by_quantisation(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    path = onnx_models.save("classifier", tmp_path)
    exact = tmp_path / "float.onnx"
    onnx.save(onnx_models.float_model("classifier"), exact)
    artifact = compile_model(path, target="host")
    values = onnx_models.samples("classifier", 6)
    name = artifact.metadata["inputs"][0]["name"]
    inputs, _ = samples_for(
        artifact.metadata, {name: values.reshape(-1, *artifact.metadata["inputs"][0]["shape"])}
    )
    options = Options(boards=("host",), watched=6, float_model=exact)
    labels = np.zeros(6, np.int64)
    found = validate(artifact, path, inputs, labels, options)
    told = {layer.name: layer for layer in found.layers if layer.snr is not None}
    assert len(told) >= len(found.layers) // 2
    assert all(15 < layer.snr < 80 for layer in told.values() if layer.snr is not None)
    assert found.float_accuracy is not None
    # The last layer's error by hand.
    last = found.layers[-1]
    session = onnxruntime.InferenceSession(str(exact), providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0].name
    want = np.stack([session.run(None, {entry: array})[0] for array in values])
    got = next(iter(artifact.run("host", inputs).values())).reshape(want.shape)
    assert last.mean_error == pytest.approx(np.mean(np.abs(got - want)), rel=1e-3)


def test_another_model_is_refused(
    on_host: Artifact, images: tuple[dict[str, np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(MODEL.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="another model than network 'net'"):
        validate(on_host, other, images[0])
    missing = replace(on_host, metadata=on_host.metadata | {"target": "cortex-m4"})
    with pytest.raises(BoardError, match="cannot run code for cortex-m4"):
        validate(missing, MODEL, images[0], None, Options(boards=("mps2-an385",)))


def test_what_is_included_before_the_c() -> None:
    lines = watching_header("net", 3, [(0, 16, 8), (2, 0, 4)]).splitlines()
    assert lines[2:] == [
        "#define TE_WATCH_0",
        "#define TE_WATCH_1 te_write(tvmgen_net_arena + 16, 8);",
        "#define TE_WATCH_2",
        "#define TE_WATCH_3 te_write(tvmgen_net_arena + 0, 4);",
        "#define TINYENGINE_LAYER(number) TE_WATCH_##number",
    ]
