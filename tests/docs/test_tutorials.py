# SPDX-License-Identifier: Apache-2.0
"""The tutorials do what they say, from the first block to the last."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.docs.guide import ROOT, blocks, changed, follow

TUTORIALS = ROOT / "docs" / "tutorials"
SOURCES = ("tinyengine_tvm", "relay_passes", "runtime_c", "cmake", "tinynas")


def text(name: str) -> str:
    return (TUTORIALS / name).read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a tutorial may change, with the examples beside it."""
    for name in SOURCES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


@pytest.fixture
def board() -> None:
    if not all(map(shutil.which, ("arm-none-eabi-gcc", "qemu-system-arm"))):
        pytest.skip("needs gcc-arm-none-eabi and qemu-system-arm")


def inside(folder: Path) -> dict[str, str]:
    """The packages of a folder before those that are installed."""
    return {"PYTHONPATH": str(folder)}


@pytest.mark.usefixtures("board")
def test_adding_a_board(checkout: Path) -> None:
    outputs = follow(text("board.md"), checkout, inside(checkout))
    assert "netduinoplus2" in outputs[0]
    # The project itself knows nothing of it: the tutorial added it.
    assert "netduinoplus2" not in (ROOT / "tinyengine_tvm/boards/__init__.py").read_text()


@pytest.mark.usefixtures("board")
def test_adding_an_operator(checkout: Path) -> None:
    outputs = follow(text("operator.md"), checkout, inside(checkout))
    assert "instructions before" in outputs[-1]
    assert not (ROOT / "tinyengine_tvm/kernels/subtract.py").exists()


@pytest.mark.usefixtures("board")
def test_from_onnx_to_zephyr(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    outputs = follow(text("zephyr.md"), tmp_path)
    assert "main.c" in outputs[-2].split()
    assert (tmp_path / "net_app/prj.conf").is_file()


@pytest.mark.usefixtures("board")
def test_from_a_budget_to_a_network(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    outputs = follow(text("network.md"), tmp_path)
    assert "bytes of SRAM" in outputs[-2]
    assert (tmp_path / "build/nas/report.md").is_file()


@pytest.mark.usefixtures("board")
def test_reading_the_report(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    follow(text("report.md"), tmp_path)
    for name in ("net.html", "both.html"):
        assert "</html>" in (tmp_path / name).read_text()


def test_every_tutorial_is_followed() -> None:
    """By one of the tests above."""
    own = Path(__file__).read_text()
    assert all(f'text("{path.name}")' in own for path in TUTORIALS.glob("*.md"))


def test_a_block_that_fails_fails_the_document(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="exactly this"):
        follow("```sh\necho exactly this\nfalse\necho not reached\n```\n", tmp_path)


def test_blocks_are_files_changes_and_what_is_run(tmp_path: Path) -> None:
    document = (
        "`a/b.txt`:\n\n```\none\ntwo\n```\n\n"
        "```diff\n--- a/a/b.txt\n+++ b/a/b.txt\n@@\n one\n-two\n+three\n```\n\n"
        "Look with `cat`:\n\n```sh\ncat a/b.txt\n```\n\n"
        "```python\nprint(2 * 3)\n```\n\n```text\nnothing\n```\n"
    )
    assert [block.language for block in blocks(document)] == ["", "diff", "sh", "python", "text"]
    assert follow(document, tmp_path) == ["one\nthree\n", "6\n"]
    with pytest.raises(ValueError, match="occur 0 times"):
        changed("one\n", "@@\n-two\n")
