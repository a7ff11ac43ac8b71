# SPDX-License-Identifier: Apache-2.0
"""`tinyengine memory`: of a folder and of a model, as text, JSON and files."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import artifact
from tinyengine_tvm import api


@pytest.fixture
def folder(tmp_path):
    return artifact().save(tmp_path / "net")


def test_text_of_a_folder(tinyengine, folder):
    result = tinyengine("memory", folder)
    assert (result.code, result.err) == (0, "")
    made = artifact()
    assert f"arena {made.metadata['arena_bytes']:,} bytes" in result.out
    assert f"at {made.report['memory']['peak_layer']}" in result.out
    bars = [line for line in result.out.splitlines() if line.count("|") == 2]
    assert len(bars) == made.report["layers"]


def test_json_of_a_folder(tinyengine, folder):
    document = json.loads(tinyengine("memory", folder, "--json").out)
    made = artifact()
    assert document["arena_bytes"] == made.metadata["arena_bytes"]
    assert document["lower_bound"] == made.metadata["arena_lower_bound"]
    assert document["peak"]["layer"] == made.report["memory"]["peak_layer"]


def test_a_picture(tinyengine, folder, tmp_path):
    picture = tmp_path / "arena.svg"
    result = tinyengine("memory", folder, "-o", picture)
    assert result.code == 0 and str(picture) in result.out
    assert picture.read_text().startswith("<svg")


def test_a_model_is_compiled_for_the_target(tinyengine, tmp_path, monkeypatch):
    model = tmp_path / "model.tflite"
    model.write_bytes(b"bytes")
    noted = []

    def compile_model(model, **options):
        noted.append((model, options))
        return artifact()

    monkeypatch.setattr(api, "compile_model", compile_model)
    result = tinyengine("memory", model, "-t", "cortex-m7", "--interface", "int8")
    assert result.code == 0
    assert noted == [(model, {"target": "cortex-m7", "interface": "int8"})]
    assert list(tmp_path.iterdir()) == [model]


def test_a_folder_of_an_older_version_is_refused(refused, folder):
    report = json.loads((folder / "report.json").read_text())
    for buffer in report["memory"]["buffers"]:
        del buffer["kind"]
    (folder / "report.json").write_text(json.dumps(report))
    assert "lacks 'kind'; compile the model again" in refused("memory", folder)


def test_refusals(refused, folder, tmp_path):
    assert "must end with one of .svg" in refused("memory", folder, "-o", tmp_path / "a.gif")
    assert "doesn't exist; create it" in refused("memory", folder, "-o", tmp_path / "no" / "a.svg")
    assert "doesn't exist; give a compiled folder" in refused("memory", tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    assert "compile" in refused("memory", tmp_path / "empty")
