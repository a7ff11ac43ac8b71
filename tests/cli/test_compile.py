# SPDX-License-Identifier: Apache-2.0
"""`tinyengine compile`: what it prints, what it passes on, and what it refuses."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import artifact
from tests.onnx_models import float_model
from tinyengine_tvm import api
from tinyengine_tvm.errors import UnsupportedOperators

FILES = ["metadata.json", "model.c", "model.h", "net.tar", "report.json"]


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"bytes")
    return path


@pytest.fixture
def calls(monkeypatch):
    """Stands in for the compiler, and notes how it is called."""
    noted = []

    def compile_model(model, **options):
        noted.append((model, options))
        return artifact()

    monkeypatch.setattr(api, "compile_model", compile_model)
    return noted


def test_summary(tinyengine, calls, model, tmp_path):
    result = tinyengine("compile", model, "-o", tmp_path / "net")
    assert (result.code, result.err) == (0, "")
    made = artifact()
    assert sorted(p.name for p in (tmp_path / "net").iterdir()) == FILES
    assert (tmp_path / "net" / "model.c").read_bytes() == made.files["model.c"]
    rows = dict(line.split(maxsplit=1) for line in result.out.splitlines())
    assert rows["network"].startswith("net for host, tflite arithmetic")
    assert rows["input"].startswith("image: int8 1x9x7x5, scale 0.05, zero point -3")
    assert rows["layers"].startswith("4: 1 conv2d, 1 depthwise_conv2d, 1 reshape, 1 dense")
    assert rows["MACs"].strip() == f"{made.report['macs']:,}"
    assert rows["arena"].startswith(f"{made.report['memory']['arena_bytes']:,} bytes")
    assert rows["weights"].startswith(f"{made.report['constant_bytes']:,} bytes")
    assert str(tmp_path / "net") in rows["written"]


def test_summary_of_a_gap(tinyengine, calls, model, tmp_path, monkeypatch):
    made = artifact()
    made.report["memory"].update(arena_bytes=1250, lower_bound=1000, gap_bytes=250, optimal=False)
    monkeypatch.setattr(api, "compile_model", lambda model, **options: made)
    out = tinyengine("compile", model, "-o", tmp_path / "net").out
    assert "1,250 bytes, 250 (25.0%) above the lower bound of 1,000" in out


def test_json_is_the_report(tinyengine, calls, model, tmp_path):
    result = tinyengine("compile", model, "-o", tmp_path / "net", "--json")
    document = json.loads(result.out)
    assert document.pop("directory") == str(tmp_path / "net")
    assert document.pop("files") == FILES
    assert document == json.loads((tmp_path / "net" / "report.json").read_text())


def test_options_reach_the_compiler(tinyengine, calls, model, tmp_path):
    tinyengine("compile", model, "-o", tmp_path / "one")
    options = (
        "--target cortex-m7 --name kws --interface int8 --optimise size --dialect relax "
        "--no-rewrite a --no-rewrite b --check --allow-slow --input-shapes a:0:[1,9],b:[2]"
    )
    tinyengine("compile", model, "-o", tmp_path / "two", *options.split())
    unset = {
        "sram": None,
        "flash": None,
        "mac_factor": 1.15,
        "stream_input": False,
        "dialect": None,
        "input_shapes": None,
        "records": None,
        "check": False,
        "allow_slow": False,
    }
    assert calls == [
        (
            model,
            {
                "target": "cortex-m4",
                "name": "net",
                "interface": "keep",
                "optimise": "speed",
                "disabled_rewrites": (),
                **unset,
            },
        ),
        (
            model,
            {
                "target": "cortex-m7",
                "name": "kws",
                "interface": "int8",
                "optimise": "size",
                "disabled_rewrites": ("a", "b"),
                **unset,
                "dialect": "relax",
                "input_shapes": {"a:0": (1, 9), "b": (2,)},
                "check": True,
                "allow_slow": True,
            },
        ),
    ]


def test_a_folder_in_use_is_left_alone(refused, calls, model, tmp_path):
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "mine.txt").write_text("precious")
    assert "exists and isn't empty" in refused("compile", model, "-o", folder)
    assert [p.name for p in folder.iterdir()] == ["mine.txt"]
    assert "exists" in refused("compile", model, "-o", folder / "mine.txt")
    assert (folder / "mine.txt").read_text() == "precious"
    # Nothing was compiled only to be thrown away.
    assert calls == []


def test_an_empty_folder_is_used(tinyengine, calls, model, tmp_path):
    (tmp_path / "net").mkdir()
    assert tinyengine("compile", model, "-o", tmp_path / "net").code == 0
    assert sorted(p.name for p in (tmp_path / "net").iterdir()) == FILES


def test_models_that_are_no_files(refused, calls, tmp_path):
    assert "doesn't exist" in refused("compile", tmp_path / "no.tflite", "-o", tmp_path / "net")
    assert "is not a file" in refused("compile", tmp_path, "-o", tmp_path / "net")
    assert not (tmp_path / "net").exists()


def test_unsupported_operators_are_all_named_and_nothing_is_written(
    refused, model, tmp_path, monkeypatch
):
    def refuse(model, **options):
        raise UnsupportedOperators(["LSTM at 3", "SVDF at 7"])

    monkeypatch.setattr(api, "compile_model", refuse)
    line = refused("compile", model, "-o", tmp_path / "net")
    assert "LSTM at 3" in line and "SVDF at 7" in line
    assert [p.name for p in tmp_path.iterdir()] == ["model.tflite"]


def test_output_below_a_file(refused, calls, model):
    assert "can't write" in refused("compile", model, "-o", model / "net")


def test_progress_goes_to_no_pipe(tinyengine, calls, model, tmp_path):
    assert tinyengine("compile", model, "-o", tmp_path / "a").err == ""


def test_the_archive_alone(tinyengine, calls, model, tmp_path):
    path = tmp_path / "made" / "module.tar"
    options = ("--output-format", "mlf")
    result = tinyengine("compile", model, "-o", path, *options)
    assert (result.code, result.err) == (0, "")
    assert [p.name for p in path.parent.iterdir()] == ["module.tar"]
    assert path.read_bytes() == artifact().files["net.tar"]
    assert f"written to {path}" in " ".join(result.out.split())
    result = tinyengine("compile", model, "-o", tmp_path / "b.tar", *options, "--json")
    document = json.loads(result.out)
    assert document.pop("archive") == str(tmp_path / "b.tar")
    assert document == artifact().report


@pytest.mark.parametrize(
    ("name", "words"), [("net", "no name of a .tar file"), ("old.tar", "exists; remove it")]
)
def test_places_where_no_archive_may_go(refused, calls, model, tmp_path, name, words):
    (tmp_path / "old.tar").write_text("precious")
    line = refused("compile", model, "-o", tmp_path / name, "--output-format", "mlf")
    assert words in line
    assert (tmp_path / "old.tar").read_text() == "precious"
    assert calls == [] and not (tmp_path / "net").exists()
    below = model / "x.tar"
    assert "can't write" in refused("compile", model, "-o", below, "--output-format", "mlf")


def test_a_layout_is_no_choice_of_the_users(refused, calls, model, tmp_path):
    line = refused("compile", model, "-o", tmp_path / "net", "--desired-layout", "NHWC")
    assert "NHWC" in line and "leave the option out" in line
    assert calls == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data", "write NAME:[SIZE,SIZE,...]"),
        ("data:[1,x]", "write NAME:[SIZE,SIZE,...]"),
        ("data:[1,2", "write NAME:[SIZE,SIZE,...]"),
        ("data:[]", "write NAME:[SIZE,SIZE,...]"),
        ("", "write NAME:[SIZE,SIZE,...]"),
        ("a:[1] rest", "write NAME:[SIZE,SIZE,...]"),
        ("a:[1] a:[2]", "'a' is given two shapes"),
    ],
)
def test_shapes_written_wrongly(refused, calls, model, tmp_path, text, words):
    assert words in refused("compile", model, "-o", tmp_path / "net", "--input-shapes", text)
    assert calls == []


def test_slow_operators_need_a_switch_and_are_reported(tinyengine, refused, tmp_path):
    path = tmp_path / "float.onnx"
    path.write_bytes(float_model("dense").SerializeToString())
    line = refused("compile", path, "-o", tmp_path / "out")
    assert "--allow-slow" in line and "Gemm" in line
    assert not (tmp_path / "out").exists()
    result = tinyengine("compile", path, "-o", tmp_path / "out", "--allow-slow")
    assert result.code == 0
    assert "through TVM: matmul, add, relu" in result.out
