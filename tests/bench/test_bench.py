# SPDX-License-Identifier: Apache-2.0
"""`tinyengine bench` as a whole, and how it refuses."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from tests.bench.conftest import BOARD, STUB
from tinyengine_tvm.bench import microtvm

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/models/fashion_mnist_tiny.onnx"
HAS_ORACLE = importlib.util.find_spec("tflite_micro") is not None
OURS = ("tinyengine-tvm", "tinyengine-tvm, dead channels kept", "tinyengine-tvm, --optimise size")
NUMBERS = (
    *("macs", "instructions", "cycles", "sram_bytes"),
    *("stack_bytes", "weights_flash_bytes", "code_flash_bytes"),
)
TEXTS = ("engine", "model", "board", "core", "source")
DIRECT = "CMSIS-NN called directly"
HOST = "tflite-micro on this machine"


def test_engines_side_by_side(tinyengine, model, stub, tmp_path, monkeypatch):
    # Whether this machine has an environment with Relay, which takes minutes.
    monkeypatch.setattr(microtvm, "_PYTHON", tmp_path / "none")
    # A name that the peers have counts for, to see them beside ours.
    known = tmp_path / "kws_ref_model.onnx"
    shutil.copy(EXAMPLE, known)
    libraries = ("--cmsis-nn-lib", stub, "--cmsis-nn-include", STUB)
    out = tmp_path / "out"
    done = tinyengine("bench", model, known, "--boards", BOARD, *libraries, "-o", out)
    assert done.code == 0, done.err
    result = json.loads((out / "bench.json").read_text())
    check_schema(result)
    rows = {(r["model"], r["engine"]): r for r in result["rows"]}
    small, fast = rows["small", OURS[2]], rows["small", OURS[0]]
    assert small["code_flash_bytes"] < fast["code_flash_bytes"]
    assert fast["instructions"] < rows["small", DIRECT]["instructions"]
    assert {"conv2d", "depthwise_conv2d", "dense"} <= {x["operator"] for x in fast["layers"]}
    # The naive library computes what the oracle does, and so do all variants of ours.
    compared = [r for r in result["rows"] if r["model"] == "small" and r["outputs"] is not None]
    assert {r["engine"] for r in compared} >= {DIRECT, *OURS[1:]}
    assert all(r["outputs"]["equal"] for r in compared)
    assert {r["outputs"]["compared_with"] for r in compared} == {HOST if HAS_ORACLE else OURS[0]}
    if HAS_ORACLE:
        host = rows["small", HOST]
        assert 1000 < host["sram_bytes"] < 20_000 and host["instructions"] is None
    recorded = {e for (m, e), r in rows.items() if r["source"] == "recorded"}
    assert recorded == {*(DIRECT, "tflite-micro + CMSIS-NN", "tflite-micro reference kernels")}
    absent = {a["engine"]: a["reason"] for a in result["absent"]}
    assert "--tflm-lib" in absent["tflite-micro + CMSIS-NN"]
    assert absent[DIRECT].startswith("kws_ref_model: ")
    assert "scripts/setup.sh relay" in absent["microTVM"]
    assert f"{fast['instructions']:,}" in done.out
    text = (out / "bench.md").read_text()
    assert f"| small | {BOARD} | {DIRECT} | {rows['small', DIRECT]['instructions']:,} |" in text
    assert f"**Layers: small, {DIRECT}, {BOARD}**" in text
    assert f">{fast['instructions']:,}<" in (out / "bench.html").read_text()
    if importlib.util.find_spec("matplotlib"):
        assert (out / f"bench-{BOARD}.png").read_bytes().startswith(b"\x89PNG")


def check_schema(result: dict) -> None:
    assert list(result) == ["kind", "command", "versions", "boards", "rows", "absent"]
    assert result["kind"] == "bench" and result["command"].startswith("tinyengine bench ")
    assert result["boards"] == [BOARD]
    assert {"tinyengine-tvm", "gcc", "qemu", "libraries", "recorded"} <= set(result["versions"])
    for row in result["rows"]:
        assert set(row) - {"note"} == {*TEXTS, *NUMBERS, "outputs", "layers"}
        assert all(isinstance(row[key], str) for key in TEXTS)
        assert all(row[key] is None or isinstance(row[key], int) for key in NUMBERS)
        assert row["source"] in ("measured", "recorded")
        assert isinstance(row["macs"], int) and isinstance(row["sram_bytes"], int)
        if row["board"] != "host":
            assert all(row[key] is not None for key in NUMBERS if key != "cycles")
        for layer in row["layers"] or ():
            assert set(layer) == {"name", "operator", "macs", "instructions", "cycles"}
        if row["outputs"] is not None:
            assert set(row["outputs"]) == {"compared_with", "equal"}
    assert all(set(entry) == {"engine", "reason"} for entry in result["absent"])


@pytest.fixture
def refused_bench(refused, tmp_path):
    """One line, exit code 2, and nothing written."""

    def run(*arguments: object) -> str:
        message = refused("bench", *arguments, "-o", tmp_path / "out")
        assert not (tmp_path / "out").exists()
        return message

    return run


def test_bad_models_and_boards(refused_bench, model, tmp_path):
    assert "doesn't exist" in refused_bench(tmp_path / "none.tflite")
    assert "unknown board 'mps2'" in refused_bench(model, "--boards", "mps2")
    assert "host can't take part" in refused_bench(model, "--boards", f"{BOARD},host")
    assert "no board is named" in refused_bench(model, "--boards", ",")
    shutil.copy(model, tmp_path / model.name)
    assert "two models are named 'small'" in refused_bench(model, tmp_path / model.name)


def test_bad_libraries(refused_bench, model, stub, tmp_path):
    header = ("--cmsis-nn-include", STUB)
    assert "--cmsis-nn-lib needs --cmsis-nn-include" in refused_bench(model, "--cmsis-nn-lib", stub)
    assert "--tflm-include needs --tflm-lib" in refused_bench(model, "--tflm-include", STUB)
    missing = tmp_path / "libcmsis-nn-{core}.a"
    assert "libcmsis-nn-cortex-m4.a' doesn't exist" in refused_bench(
        model, *header, "--cmsis-nn-lib", missing
    )
    assert "is no folder" in refused_bench(
        model, "--cmsis-nn-lib", stub, "--cmsis-nn-include", tmp_path / "none"
    )
    # On two boards the library must be for both.
    assert "cortex-m33 is Armv8-M Mainline" in refused_bench(
        model, *header, "--cmsis-nn-lib", stub, "--boards", f"{BOARD},mps2-an505"
    )
    assert "is TFLite Micro's interpreter" in refused_bench(
        model, "--tflm-lib", stub, "--tflm-include", STUB
    )
    assert "--relay-python" in refused_bench(model, "--relay-python", tmp_path / "python")


def test_a_peer_that_takes_none_of_the_models(refused_bench, stub):
    message = refused_bench(
        EXAMPLE, "--cmsis-nn-lib", stub, "--cmsis-nn-include", STUB, "--boards", BOARD
    )
    assert message.startswith("CMSIS-NN called directly takes none of the models: fashion_mnist")


def test_an_output_folder_in_use(refused, model, tmp_path):
    (tmp_path / "file").touch()
    assert "isn't empty" in refused("bench", model, "-o", tmp_path)
