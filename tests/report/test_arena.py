# SPDX-License-Identifier: Apache-2.0
"""The map of the arena: what it says about a plan, and each form it is written in."""

from __future__ import annotations

import builtins
import json
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

from tests.cli.conftest import artifact
from tinyengine_tvm.errors import TinyEngineError
from tinyengine_tvm.report import FORMATS, ArenaMap, Box, arena_text, write_arena
from tinyengine_tvm.report.arena_picture import arena_scene


@pytest.fixture
def arena() -> ArenaMap:
    """Two layers: x -> a, in part over x; a -> y beside it, with scratch."""
    boxes = (
        Box("x", "input", None, 40, 100, 0, 0),
        Box("a", "activation", 0, 0, 60, 0, 1),
        Box("y", "output", 1, 60, 80, 1, 1),
        Box("two#scratch", "scratch", 1, 80, 100, 1, 1),
    )
    layers = (("one", "conv2d"), ("t<w>o", "dense"))
    return ArenaMap("net", "host", 100, 80, "greedy", False, layers, (100, 100), boxes)


def test_what_is_shared(arena: ArenaMap) -> None:
    assert arena.shared() == [(0, 40, 60)]
    assert [b.name for b in arena.at(1)] == ["a", "y", "two#scratch"]
    assert arena.peak == 0
    assert arena.verdict == "20 bytes (25.0%) above the lower bound"


def test_the_map_of_a_compiled_network() -> None:
    made = artifact()
    arena = ArenaMap.of(made.metadata, made.report)
    assert arena.arena_bytes == made.metadata["arena_bytes"]
    assert [name for name, _ in arena.layers] == [m["name"] for m in made.metadata["layers"]]
    for i, live in enumerate(arena.live):
        covered = {byte for box in arena.at(i) for byte in range(box.low, box.high)}
        assert len(covered) == live
        assert max(covered) < arena.arena_bytes
    kinds = [box.kind for box in arena.boxes]
    assert kinds.count("input") == len(made.metadata["inputs"])
    assert kinds.count("output") == len(made.metadata["outputs"])
    scratch = sum(box.bytes for box in arena.boxes if box.kind == "scratch")
    assert scratch == sum(layer["scratch_bytes"] for layer in made.metadata["layers"])
    assert arena.layers[arena.peak][0] == made.report["memory"]["peak_layer"]


def test_text_names_the_peak_and_shows_each_layer(arena: ArenaMap) -> None:
    lines = arena_text(arena).splitlines()
    assert lines[0].startswith("net on host: arena 100 bytes, bound 80 (20 bytes")
    assert "peak 100 bytes at one (conv2d)" in lines[1]
    bars = [line.split("|")[1] for line in lines if line.count("|") == 2]
    assert bars == ["a" * 16 + "#" * 8 + "i" * 16, "a" * 24 + "o" * 8 + "s" * 8]
    assert lines[4].startswith("> one") and lines[5].startswith("  t<w>o")
    assert "        40 ..      100        60  input       x" in lines
    assert arena_text(arena).isascii()


def test_svg_is_xml_with_a_titled_box_per_buffer(arena: ArenaMap) -> None:
    root = xml.fromstring(arena_scene(arena).svg())
    space = "{http://www.w3.org/2000/svg}"
    boxes = {
        rect.find(f"{space}title").text.split()[0]: rect  # type: ignore[union-attr]
        for rect in root.iter(f"{space}rect")
        if rect.find(f"{space}title") is not None
    }
    assert set(boxes) == {"x", "a", "y", "two#scratch"}
    heights = {name: float(rect.get("height", 0)) for name, rect in boxes.items()}
    assert heights["x"] == pytest.approx(3 * heights["y"], abs=0.2)
    widths = {name: float(rect.get("width", 0)) for name, rect in boxes.items()}
    assert widths["a"] == pytest.approx(2 * widths["y"], abs=0.2)
    bottoms = {n: float(r.get("y", 0)) + float(r.get("height", 0)) for n, r in boxes.items()}
    assert bottoms["a"] > bottoms["x"] > bottoms["y"] > bottoms["two#scratch"]
    texts = [text.text or "" for text in root.iter(f"{space}text")]
    assert any("Peak: 100 bytes in one" in text for text in texts)
    assert any(rect.get("fill") == "url(#hatch)" for rect in root.iter(f"{space}rect"))


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_is_written_and_repeats(arena: ArenaMap, tmp_path: Path, ending: str) -> None:
    if ending == ".png":
        pytest.importorskip("matplotlib")
    first, second = tmp_path / f"a{ending}", tmp_path / f"b{ending}"
    write_arena(arena, first)
    write_arena(arena, second)
    data = first.read_bytes()
    assert data == second.read_bytes()
    begins = {".svg": b"<svg", ".png": b"\x89PNG", ".html": b"<!DOCTYPE html>", ".txt": b"net on"}
    assert data.startswith(begins.get(ending, b"{"))
    if ending == ".html":
        # Self-contained: nothing is fetched, and names can't break the page.
        text = data.decode().replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "http" not in text and "<w>" not in text and "t&lt;w&gt;o" in text
    if ending == ".json":
        document = json.loads(data)
        assert document["peak"]["layer"] == "one" and document["gap_bytes"] == 20
        assert len(document["buffers"]) == 4


def test_another_ending_is_refused(arena: ArenaMap, tmp_path: Path) -> None:
    with pytest.raises(TinyEngineError, match=r"must end with one of \.svg, \.png"):
        write_arena(arena, tmp_path / "a.bmp")


def test_png_without_matplotlib_says_what_to_install(
    arena: ArenaMap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: object, **more: object) -> object:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(TinyEngineError, match=r"pip install 'tinyengine-tvm\[plot\]'"):
        write_arena(arena, tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
