# SPDX-License-Identifier: Apache-2.0
"""`tinyengine run` on the host, and everything that can be wrong with what it is given."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from tests.networks import small_network
from tinyengine_tvm.kernels.reference import run_reference

SHAPE = (1, 9, 7, 5)


@pytest.fixture
def samples():
    return np.random.default_rng(3).integers(-128, 128, (4, *SHAPE)).astype(np.int8)


@pytest.fixture
def expected(samples):
    network = small_network()
    return np.stack([run_reference(network, {"image": x})["scores"] for x in samples])


@pytest.fixture
def needs_gcc():
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not on this machine")


@pytest.mark.usefixtures("needs_gcc")
def test_run_writes_the_outputs(tinyengine, compiled, tmp_path, samples, expected):
    x, y = tmp_path / "x.npz", tmp_path / "y.npz"
    np.savez(x, image=samples)
    result = tinyengine("run", compiled, "--board", "host", "--inputs", x, "--outputs", y)
    assert result.code == 0 and result.err == ""
    assert "scores" in result.out and "4 samples" in result.out and str(y) in result.out
    with np.load(y) as arrays:
        assert arrays.files == ["scores"]
        np.testing.assert_array_equal(arrays["scores"], expected)


@pytest.mark.usefixtures("needs_gcc")
def test_json_holds_the_values_of_a_bare_array(tinyengine, compiled, tmp_path, samples, expected):
    np.save(tmp_path / "x.npy", samples[0])
    result = tinyengine("run", compiled, "-b", "host", "-i", tmp_path / "x.npy", "--json")
    assert result.err == ""
    document = json.loads(result.out)
    assert document == {
        "board": "host",
        "target": "host",
        "samples": 1,
        "outputs": {
            "scores": {"dtype": "int8", "shape": [1, 1, 10], "values": expected[:1].tolist()}
        },
    }


@pytest.mark.usefixtures("needs_gcc")
def test_json_names_the_file_instead_of_the_values(tinyengine, compiled, tmp_path, samples):
    x, y = tmp_path / "x.npy", tmp_path / "y.npz"
    np.save(x, samples)
    result = tinyengine("run", compiled, "-b", "host", "-i", x, "-o", y, "--json")
    document = json.loads(result.out)
    assert document["file"] == str(y) and y.exists()
    assert document["outputs"] == {"scores": {"dtype": "int8", "shape": [4, 1, 10]}}


def test_what_json_cannot_say_is_null(tinyengine, compiled, tmp_path, samples, monkeypatch):
    """A float network may give infinities."""
    from tinyengine_tvm.artifact import Artifact

    values = np.array([[np.inf, np.nan, 0.5]], np.float32)
    monkeypatch.setattr(Artifact, "run", lambda self, board, inputs: {"scores": values})
    np.save(tmp_path / "x.npy", samples)
    result = tinyengine("run", compiled, "-b", "host", "-i", tmp_path / "x.npy", "--json")
    assert json.loads(result.out)["outputs"]["scores"]["values"] == [[None, None, 0.5]]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"image": np.zeros((2, 1, 9, 7, 4), np.int8)}, "shape"),
        ({"image": np.zeros((9, 7, 5), np.int8)}, "shape"),
        ({"image": np.zeros((0, *SHAPE), np.int8)}, "no sample"),
        ({"image": np.zeros(SHAPE, np.float32)}, "must be int8, got float32"),
        ({"image": np.zeros(SHAPE, np.uint8)}, "must be int8, got uint8"),
        ({"picture": np.zeros(SHAPE, np.int8)}, "no input 'picture'"),
        (
            {"image": np.zeros(SHAPE, np.int8), "more": np.zeros(SHAPE, np.int8)},
            "no input 'more'",
        ),
    ],
)
def test_wrong_arrays(refused, compiled, tmp_path, arrays, message):
    x, y = tmp_path / "x.npz", tmp_path / "y.npz"
    np.savez(x, **arrays)
    line = refused("run", compiled, "-b", "host", "-i", x, "-o", y)
    assert message in line and "image" in line
    assert not y.exists()


def test_wrong_files(refused, compiled, tmp_path):
    text = tmp_path / "x.txt"
    text.write_text("1 2 3")
    assert "numpy.savez" in refused("run", compiled, "-b", "host", "-i", text)
    assert "No such file" in refused("run", compiled, "-b", "host", "-i", tmp_path / "no.npy")
    np.save(tmp_path / "x.npy", np.zeros(SHAPE, np.int8))
    line = refused("run", compiled, "-b", "host", "-i", tmp_path / "x.npy", "-o", "/no/y.npz")
    assert "doesn't exist" in line


def test_unknown_board(refused, compiled, tmp_path):
    line = refused("run", compiled, "-b", "nucleo", "-i", tmp_path / "x.npy")
    assert "unknown board 'nucleo'" in line and "mps2-an386" in line
    assert "unknown board 'nucleo'" in refused("profile", compiled, "-b", "nucleo")


def test_board_of_another_core(refused, compiled, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(SHAPE, np.int8))
    line = refused("run", compiled, "-b", "mps2-an385", "-i", tmp_path / "x.npy")
    assert "mps2-an385 cannot run code for host" in line


def test_board_whose_tools_are_missing(refused, compiled_for_m4, tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.zeros(SHAPE, np.int8))
    monkeypatch.setenv("PATH", str(tmp_path))
    line = refused("run", compiled_for_m4, "-b", "mps2-an386", "-i", tmp_path / "x.npy")
    assert "apt-get install" in line


@pytest.mark.parametrize("damage", ["absent", "empty folder", "cut", "no model.c", "other types"])
def test_folders_that_compile_did_not_write(refused, compiled, tmp_path, damage):
    folder = tmp_path / "net"
    if damage == "empty folder":
        folder.mkdir()
    elif damage != "absent":
        shutil.copytree(compiled, folder)
    if damage == "cut":
        (folder / "metadata.json").write_text('{"format": 1, "name"')
    elif damage == "no model.c":
        (folder / "model.c").unlink()
    elif damage == "other types":
        (folder / "metadata.json").write_text('{"format": 1, "name": "net", "inputs": 3}')
    np.save(tmp_path / "x.npy", np.zeros(SHAPE, np.int8))
    for command in (["run", folder, "-i", tmp_path / "x.npy"], ["profile", folder]):
        assert str(folder) in refused(*command, "-b", "host")
