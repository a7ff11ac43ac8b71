# SPDX-License-Identifier: Apache-2.0
"""`tinyengine export`, and the commands that take Zephyr boards."""

from __future__ import annotations

import json

import pytest

GUIDE = "https://docs.zephyrproject.org/latest/develop/getting_started/index.html"
BOARD = "zephyr:mps2_an521"
REFUSED = "zephyr:mps2_an521 cannot run code for cortex-m4; it runs "


@pytest.mark.parametrize("format", ["zephyr", "arduino", "cmake"])
def test_export_writes_a_project(format, tinyengine, compiled, tmp_path):
    done = tinyengine("export", compiled, "--format", format, "-o", tmp_path / "p", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["format"] == format
    written = [str(p.relative_to(tmp_path / "p")) for p in (tmp_path / "p").rglob("*")]
    assert document["files"] and set(document["files"]) <= set(written)
    text = tinyengine("export", compiled, "-f", format, "-o", tmp_path / "q")
    assert text.code == 0 and "written to" in text.out


def test_export_refuses_what_it_cannot_use(refused, compiled, tmp_path):
    assert "'make'" in refused("export", compiled, "-f", "make", "-o", tmp_path / "p")
    message = refused("export", tmp_path / "absent", "-f", "cmake", "-o", tmp_path / "p")
    assert "is not a compiled model" in message
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    message = refused("export", compiled, "-f", "cmake", "-o", tmp_path / "full")
    assert "exists and isn't empty" in message
    assert not (tmp_path / "p").exists()


def test_a_core_that_the_board_lacks_is_refused(refused, compiled_for_m4, tmp_path):
    model = "examples/models/fashion_mnist_tiny.onnx"
    output = tmp_path / "net"
    wrong = ("--board", BOARD, "--target", "cortex-m4")
    assert refused("compile", model, "-o", output, *wrong).startswith(REFUSED)
    assert not output.exists()
    assert refused("tune", model, *wrong, "--records", tmp_path / "r").startswith(REFUSED)
    assert refused("profile", compiled_for_m4, "--board", BOARD).startswith(REFUSED)
    assert "unknown target 'z80'" in refused(
        "compile", model, "-o", output, "-b", BOARD, "-t", "z80"
    )


def test_without_a_zephyr_tree_the_guide_is_named(refused, tinyengine, monkeypatch, tmp_path):
    monkeypatch.delenv("ZEPHYR_BASE", raising=False)
    model = "examples/models/fashion_mnist_tiny.onnx"
    net = tmp_path / "net"
    # The board's own core is what it's compiled for.
    done = tinyengine("compile", model, "-o", net, "--board", BOARD, "--json")
    assert json.loads(done.out)["target"] == "cortex-m33-nodsp"
    assert GUIDE in refused("profile", net, "--board", BOARD)
    assert GUIDE in refused("tune", model, "--board", BOARD, "--records", tmp_path / "r")
    assert not (tmp_path / "r").exists()
    listed = {e["name"]: e for e in json.loads(tinyengine("boards", "--json").out)}
    assert GUIDE in listed[BOARD]["needs"] and not listed[BOARD]["ready"]
    assert listed["host"]["needs"] is None
    text = tinyengine("boards").out
    assert text.count(GUIDE) == 1 and "lacks a Zephyr tree" in text
