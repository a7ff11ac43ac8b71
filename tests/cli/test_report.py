# SPDX-License-Identifier: Apache-2.0
"""`tinyengine report`, and the reports that compile writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.report import subjects
from tests.report.page_reader import agrees, read_page, value_at
from tinyengine_tvm.boards import get_board

MODEL = Path(__file__).resolve().parents[2] / "examples/models/fashion_mnist_tiny.onnx"


@pytest.fixture
def board() -> str:
    if get_board("mps2-an386").missing():
        pytest.skip("the tools of the emulated board are missing")
    return "mps2-an386"


def test_a_compiled_folder_in_three_forms(
    tinyengine: Command, compiled_for_m4: Path, tmp_path: Path, board: str
) -> None:
    files = [tmp_path / f"net.{ending}" for ending in ("html", "md", "json")]
    outputs = [word for file in files for word in ("-o", file)]
    result = tinyengine("report", compiled_for_m4, "--board", board, "--sram", "4kB", *outputs)
    assert result.code == 0, result.err
    said = " ".join(result.out.split())
    assert said == f"written to {', '.join(map(str, files))}: net on cortex-m4"
    page, facts = read_page(files[0].read_text()), json.loads(files[2].read_text())
    assert page.facts == facts
    assert all(agrees(text, value_at(facts, key)) for key, text in page.shown)
    (subject,) = facts["subjects"]
    measured = json.loads(tinyengine("profile", compiled_for_m4, "-b", board, "--json").out)
    assert subject["profile"]["instructions"] == measured["instructions"]
    counts = [layer["instructions"] for layer in measured["layers"]]
    assert [layer["instructions"] for layer in subject["layers"]] == counts
    assert subject["usage"]["sram"]["limit"] == 4000
    assert f"| instructions | {measured['instructions']:,} |" in files[1].read_text()


def test_a_profile_in_the_folder_is_taken(
    tinyengine: Command, tmp_path: Path, compiled_for_m4: Path
) -> None:
    made = subjects.small()
    folder = made.save_copy(tmp_path / "net")
    (folder / "profile.json").write_text(json.dumps(subjects.profile_of(made)))
    (subject,) = json.loads(tinyengine("report", folder, "--json").out)["subjects"]
    assert subject["profile"]["cycles"] == 54321
    result = tinyengine("report", folder, compiled_for_m4, "-o", tmp_path / "two.html")
    assert (
        result.out == f"written to {tmp_path / 'two.html'}: net on cortex-m4 and net on cortex-m4\n"
    )


def test_compile_writes_a_report_with_remedies(
    tinyengine: Command, refused: Callable[..., str], tmp_path: Path
) -> None:
    folder, page = tmp_path / "net", tmp_path / "net.html"
    given = ("compile", MODEL, "-o", folder, "--report", page, "--sram", "12kB")
    result = tinyengine(*given)
    assert result.code == 0, result.err
    assert result.out.splitlines()[-1] == f"report: {page}"
    (subject,) = read_page(page.read_text()).facts["subjects"]
    assert subject["profile"] is None
    assert subject["usage"]["sram"]["limit"] == 12000
    saved = [plan for plan in subject["plans"] if plan["saved_bytes"] > 0]
    assert saved and all(plan["options"].startswith("--sram ") for plan in saved)
    assert subject["commands"][0] == (
        "tinyengine compile fashion_mnist_tiny.onnx -o build/net --target cortex-m4 --name net "
        "--sram 12000"
    )
    # The folder tells which model it was compiled from.
    other = tmp_path / "other.onnx"
    other.write_bytes(MODEL.read_bytes() + b"\0")
    message = refused("report", folder, "--model", other, "-o", page)
    assert "another model than network 'net' was compiled from, fashion_mnist_tiny.onnx" in message


def test_other_subjects(tinyengine: Command, tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_text(json.dumps(subjects.bench()))
    (tmp_path / "tune.jsonl").write_text(subjects.tune_records())
    nas = subjects.search_folder(tmp_path / "nas")
    what = (tmp_path / "bench.json", tmp_path / "tune.jsonl", nas)
    facts = json.loads(tinyengine("report", *what, "--json").out)
    assert [s["kind"] for s in facts["subjects"]] == ["bench", "tune", "search"]


def test_refusals(refused: Callable[..., str], compiled_for_m4: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.html"
    assert "nowhere to write" in refused("report", compiled_for_m4)
    assert "must end with one of .html, .md, .json" in refused(
        "report", compiled_for_m4, "-o", tmp_path / "x.pdf"
    )
    assert "doesn't exist; create it first" in refused(
        "report", compiled_for_m4, "-o", tmp_path / "no/x.html"
    )
    assert "unknown board 'moon'" in refused("report", compiled_for_m4, "-b", "moon", "-o", out)
    assert "is no size" in refused("report", compiled_for_m4, "--sram", "much", "-o", out)
    assert "holds no metadata.json" in refused("report", tmp_path, "-o", out)
    assert "doesn't exist" in refused("report", tmp_path / "no", "-o", out)
    assert "doesn't exist" in refused("report", compiled_for_m4, "--model", "no.onnx", "-o", out)
    assert "wasn't compiled from a file" in refused(
        "report", compiled_for_m4, "--model", MODEL, "-o", out
    )
    broken = subjects.small().save_copy(tmp_path / "broken")
    (broken / "report.json").write_text('{"name": "net"}')
    assert "is of another version or damaged" in refused("report", broken, "-o", out)
    assert "must end with one of" in refused(
        "compile", MODEL, "-o", tmp_path / "net", "--report", "x.txt"
    )
    assert not out.exists() and not (tmp_path / "net").exists()
