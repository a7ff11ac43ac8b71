# SPDX-License-Identifier: Apache-2.0
"""`tinyengine validate`: what it prints, its exit codes, and a line for what can't be compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Command
from tinyengine_tvm import compile_model

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "examples/models/fashion_mnist_tiny.onnx"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """net: the compiled network; images.npy and labels.npy, which it gets."""
    place = tmp_path_factory.mktemp("validate")
    compile_model(MODEL, target="host").save(place / "net")
    with np.load(ROOT / "examples/fashion_mnist/test_images.npz") as archive:
        np.save(place / "images.npy", np.float32(archive["images"][:5] / 255)[:, None])
        np.save(place / "labels.npy", archive["labels"][:5])
    return place


@pytest.fixture
def given(folder: Path) -> tuple[object, ...]:
    return ("validate", folder / "net", "-m", MODEL, "-d", folder / "images.npy", "-b", "host")


def test_what_it_prints(tinyengine: Command, given: tuple[object, ...], folder: Path) -> None:
    result = tinyengine(*given, "--labels", folder / "labels.npy")
    assert result.code == 0, result.err
    (row,) = (line for line in result.out.splitlines() if line.startswith("host, code for host"))
    assert "100.00%" in row and row.rstrip().endswith("samples")
    assert "24 of 24 compared, all equal what they must give" in result.out
    document = json.loads(tinyengine(*given, "--json").out)
    assert document["passed"] is True
    assert document["runs"][0]["accuracy"] is None
    assert len(document["layers"]) == 24


def test_a_fault_is_named_and_fails(
    tinyengine: Command, given: tuple[object, ...], folder: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    for file in (folder / "net").iterdir():
        (wrong / file.name).write_bytes(file.read_bytes())
    facts = json.loads((wrong / "metadata.json").read_text())
    layer = facts["layers"][6]
    text = (wrong / "model.c").read_text()
    fault = f"tvmgen_net_arena[{layer['output_offset']}] ^= 4; TINYENGINE_LAYER(7);"
    (wrong / "model.c").write_text(text.replace("TINYENGINE_LAYER(7);", fault))
    result = tinyengine("validate", wrong, *given[2:])
    assert result.code == 1
    assert (
        f"the first layer that differs is {layer['name']} ({layer['op']}, number 6)" in result.out
    )
    assert "by 4 at most, first in sample 0 at [0, 0, 0, 0]" in result.out
    assert result.err == ""
    document = json.loads(tinyengine("validate", wrong, *given[2:], "--json").out)
    assert document["passed"] is False
    assert document["runs"][0]["difference"]["layer"] == layer["name"]


def test_data_that_can_t_be_used(
    refused: Callable[..., str], given: tuple[object, ...], folder: Path, tmp_path: Path
) -> None:
    images = np.load(folder / "images.npy")

    def with_data(name: str = "x.npz", **arrays: np.ndarray) -> str:
        if name.endswith(".npy"):
            np.save(tmp_path / name, arrays["array"])
        else:
            np.savez(tmp_path / name, **arrays)
        return refused(*given[:4], "-d", tmp_path / name, "-b", "host")

    bad = images.copy()
    bad[3, 0, 1, 1] = np.nan
    assert "'image' holds NaN or infinity in sample 3" in with_data(image=bad)
    assert "has no input 'picture'; it has image" in with_data(picture=images)
    assert "must have shape [samples, 1, 1, 28, 28], got [5, 1, 28, 27]" in with_data(
        image=images[..., :27]
    )
    assert "must be float32" in with_data(image=images.astype(np.int8))
    assert "holds no sample" in with_data("x.npy", array=images[:0])
    assert "doesn't exist" in refused(*given[:4], "-d", folder / "images.npy", "-m", "no.onnx")
    assert "can't read inputs" in refused(*given[:4], "-d", tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(4, np.int64), "there are 4 labels for 5 samples"),
        (np.zeros(5, np.float32), "must be integers [samples], got float32 [5]"),
        (np.zeros((5, 10), np.int64), "must be integers [samples], got int64 [5, 10]"),
        (
            np.array([0, 1, 10, 2, 3]),
            "label 10 of sample 2 is no class of the network, which has 10",
        ),
        (np.array([0, -1, 1, 2, 3]), "label -1 of sample 1 is no class"),
    ],
    ids=["count", "float", "one-hot", "large", "negative"],
)
def test_labels_that_can_t_be_used(
    labels: np.ndarray,
    message: str,
    refused: Callable[..., str],
    given: tuple[object, ...],
    tmp_path: Path,
) -> None:
    np.save(tmp_path / "labels.npy", labels)
    assert message in refused(*given, "--labels", tmp_path / "labels.npy")


def test_what_it_can_t_compare(
    refused: Callable[..., str],
    given: tuple[object, ...],
    folder: Path,
    tmp_path: Path,
    compiled_for_m4: Path,
) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(MODEL.read_bytes() + b"\0")
    data = ("-d", folder / "images.npy")
    assert "another model than network 'net' was compiled from" in refused(
        "validate", folder / "net", "-m", other, *data
    )
    assert "wasn't compiled from a file" in refused("validate", compiled_for_m4, "-m", MODEL, *data)
    assert "unknown board 'moon'" in refused(*given, "-b", "moon")
    assert "cannot run code for host" in refused(*given, "-b", "mps2-an386")
    assert "is not a compiled model" in refused("validate", tmp_path, "-m", MODEL, *data)
    older = tmp_path / "older"
    older.mkdir()
    for file in (folder / "net").iterdir():
        (older / file.name).write_bytes(file.read_bytes())
    facts = json.loads((older / "metadata.json").read_text())
    del facts["layers"][2]["output_offset"]
    (older / "metadata.json").write_text(json.dumps(facts))
    assert "is of an older version" in refused("validate", older, "-m", MODEL, *data)
    assert "doesn't exist; give the .onnx it was quantised from" in refused(
        *given, "--float", tmp_path / "none.onnx"
    )
    (tmp_path / "broken.onnx").write_bytes(b"hello")
    assert "broken.onnx" in refused(*given, "--float", tmp_path / "broken.onnx")
