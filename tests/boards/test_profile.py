# SPDX-License-Identifier: Apache-2.0
"""Counts and sizes that profiling gives, against what is known of small models."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tinyengine_tvm.boards import BOARDS, BoardError, get_board
from tinyengine_tvm.paths import runtime_c
from tinyengine_tvm.profile import count_model, plugin, profile_model
from tinyengine_tvm.profile.footprint import measure_footprint
from tinyengine_tvm.profile.hotspots import annotate, main

EMULATED = [name for name in BOARDS if name != "host"]
CALIBRATION = runtime_c() / "profile" / "calibration"


def section(path: Path, name: str) -> bytes:
    with open(path, "rb") as file:
        found = ELFFile(file).get_section_by_name(name)
        return found.data() if found is not None else b""


@pytest.mark.parametrize("name", EMULATED)
def test_loops_of_known_length(name, ready):
    profile = ready(name).profile(CALIBRATION)
    assert [layer.instructions for layer in profile.layers] == [8002, 0, 504]
    assert [layer.loads for layer in profile.layers] == [0, 0, 201]
    assert [layer.stores for layer in profile.layers] == [0, 0, 100]
    assert profile.instructions == 8506
    assert [(f.name, f.instructions) for f in profile.functions] == [
        ("tvmgen_calibration_run", 8506)
    ]
    # Left once without a branch each; and one return.
    assert sorted(profile.addresses[0].taken.values()) == [3999]
    assert sorted(profile.addresses[2].taken.values()) == [1, 99]
    assert profile.method == "plugin"
    assert profile.instructions_per_mac is None
    assert profile.sram.stack == 0


@pytest.mark.parametrize("name", EMULATED)
def test_every_sum_is_the_whole(name, ready, make_model, samples):
    profile = ready(name).profile(make_model(), samples[0])
    assert profile.instructions == profile.unmarked_instructions > 0
    assert sum(layer.instructions for layer in profile.layers) == profile.instructions
    assert sum(function.instructions for function in profile.functions) == profile.instructions
    assert sum(layer.loads for layer in profile.layers) == profile.loads
    assert sum(layer.stores for layer in profile.layers) == profile.stores
    for layer, addresses in zip(profile.layers, profile.addresses, strict=True):
        assert sum(addresses.executed.values()) == layer.instructions
        assert all(n <= addresses.executed[a] for a, n in addresses.taken.items())


def test_layer_without_code(ready, make_model):
    dot, same, scale = ready("mps2-an386").profile(make_model("cortex-m4")).layers
    assert (dot.name, same.name, scale.name) == ("dot", "same", "scale")
    # 24 multiplications with a load of code and weight each; 4 multiplications of floats.
    assert dot.instructions > 24 * 3
    assert same.instructions == 0
    assert 4 * 4 < scale.instructions < dot.instructions


def test_json(ready, make_model):
    document = json.loads(json.dumps(ready("mps2-an386").profile(make_model()).to_json()))
    assert document["board"] == "mps2-an386"
    assert document["target"] == "cortex-m3"
    assert document["macs"] == 24
    assert document["instructions_per_mac"] == round(document["instructions"] / 24, 4)
    sram, flash = document["sram"], document["flash"]
    assert sram["total"] == sram["arena"] + sram["static"] + sram["stack"]
    assert flash["total"] == flash["weights"] + flash["code"]
    assert [layer["arena_live"] for layer in document["layers"]] == [40, 32, 48]
    assert [layer["op"] for layer in document["layers"]] == ["dense", "reshape", "dequantize"]


@pytest.mark.parametrize("name", EMULATED)
def test_layer_marks_leave_the_code_as_it_is(name, ready, make_model, tmp_path):
    board = ready(name)
    model = make_model(board.targets[-1])
    board.build(model, tmp_path / "plain")
    board.build(model, tmp_path / "marked", profile=True)
    text = [section(tmp_path / kind / "program.elf", ".text") for kind in ("plain", "marked")]
    assert text[0] == text[1]
    assert section(tmp_path / "marked/program.elf", ".tinyengine_layers")


def test_repeatable(ready, make_model):
    first, second = (ready("mps2-an386").profile(make_model()) for _ in range(2))
    assert first == second
    assert first.addresses == second.addresses


def test_flash_and_static_of_a_model_without_library_code(ready, make_model, tmp_path):
    board = ready("mps2-an386")
    program = board.build(make_model("cortex-m4"), tmp_path)
    found = measure_footprint(board, program, tmp_path)
    with open(program.objects[0], "rb") as file:
        sizes = {s.name: s["sh_size"] for s in ELFFile(file).iter_sections() if s["sh_flags"] & 2}
    code = sum(size for name, size in sizes.items() if name.startswith(".text"))
    # The linker starts every function and constant at a multiple of its alignment.
    assert 0 <= found.flash.code - 20 - code < 4 * len(sizes)
    # te_weights and not te_unused, which nothing refers to.
    assert found.flash.weights == 24
    assert found.arena == 64
    # initialised[5] and zeroed[3]; neither the arena nor the harness's buffers.
    assert found.static == 20 + 12


def test_library_code_counts_for_the_model_that_needs_it(ready, make_model, tmp_path):
    board = ready("mps2-an386")
    soft = measure_footprint(
        board, board.build(make_model("cortex-m3"), tmp_path / "3"), tmp_path / "3"
    )
    hard = measure_footprint(
        board, board.build(make_model("cortex-m4"), tmp_path / "4"), tmp_path / "4"
    )
    # libgcc's multiplication and conversion of floats.
    assert soft.flash.code > hard.flash.code + 500
    assert soft.static == hard.static


@pytest.mark.parametrize("name", EMULATED)
def test_stack(name, ready, make_model, samples, tmp_path):
    board = ready(name)
    depth = {}
    for size in (8, 1000, 5000):
        program = board.build(make_model(), tmp_path, cflags=[f"-DSTACK_BYTES={size}"])
        depth[size] = board.execute(program, samples[0]).stack_bytes
    assert depth[1000] - depth[8] in range(992, 1001)
    assert depth[5000] - depth[1000] in range(4000, 4009)


def test_host_counts_nothing(make_model):
    with pytest.raises(BoardError, match="host cannot count instructions; profile on a board"):
        get_board("host").profile(make_model())


def test_model_without_layer_marks(ready, make_model):
    model = make_model()
    text = (model / "model.c").read_text(encoding="utf-8")
    (model / "model.c").write_text(text.replace("    TINYENGINE_LAYER(2);\n", ""), encoding="utf-8")
    with pytest.raises(BoardError, match="no TINYENGINE_LAYER mark for layer 2"):
        ready("mps2-an386").profile(model)


@pytest.fixture
def edited_runtime(tmp_path, monkeypatch):
    """Gives a function that edits a copy of the plugin's source, and uses a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    copy = tmp_path / "runtime_c"
    shutil.copytree(runtime_c(), copy)
    monkeypatch.setattr(plugin, "runtime_c", lambda: copy)

    def edit(old: str, new: str) -> None:
        path = copy / "profile/count.c"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return edit


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("QEMU_PLUGIN_INLINE_ADD_U64, counter, 1)", "QEMU_PLUGIN_INLINE_ADD_U64, counter, 2)"),
        ("if (qemu_plugin_mem_is_store(info))", "if (!qemu_plugin_mem_is_store(info))"),
        ("previous->end != block->start", "previous->end == block->start"),
        ("layer_of[(address - code_start) / 2] = number + 1", "(void)number"),
    ],
)
def test_calibration_catches_a_plugin_that_counts_wrongly(
    old, new, edited_runtime, ready, tmp_path
):
    edited_runtime(old, new)
    with pytest.raises(BoardError, match="the counting plugin counts wrongly with QEMU"):
        plugin.plugin_for(ready("mps2-an385"))
    assert list((tmp_path / "cache/tinyengine-tvm").iterdir()) == []


def test_plugin_is_built_once(edited_runtime, ready, tmp_path):
    board = ready("mps2-an385")
    first = plugin.plugin_for(board)
    built = first.path.stat()
    assert plugin.plugin_for(get_board("mps2-an386")).path == first.path
    assert first.path.stat() == built
    edited_runtime("= 1;\n\nenum { MAXIMUM", "= 1; \n\nenum { MAXIMUM")
    assert plugin.plugin_for(board).path != first.path


@pytest.mark.parametrize("name", EMULATED)
def test_fallback_where_qemu_refuses_the_plugin(name, edited_runtime, ready):
    edited_runtime("qemu_plugin_version = 1", "qemu_plugin_version = 99")
    profile = profile_model(ready(name), CALIBRATION)
    assert profile.method == "icount-timer"
    assert "takes no counting plugin" in profile.note
    assert "99" in profile.note
    assert [layer.instructions for layer in profile.layers] == [None, None, None]
    assert profile.functions == ()
    # Two ticks of 50 instructions.
    assert abs(profile.instructions - 8506) <= 100
    assert json.dumps(profile.to_json())


def test_cache_that_cannot_be_written(tmp_path, monkeypatch, ready):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(BoardError, match="set XDG_CACHE_HOME to a folder that can be written"):
        plugin.plugin_for(ready("mps2-an385"))


def test_hotspots(ready, make_model, tmp_path):
    program, counts = count_model(ready("mps2-an386"), CALIBRATION, tmp_path)
    text = annotate(program, counts)
    assert text.startswith("8506 instructions\n        8506 100.00 %  tvmgen_calibration_run\n")
    assert re.search(r"^ +4000   47\.03% +\S+  subs r2, #1$", text, re.MULTILINE)
    assert re.search(r"^ +4000   47\.03%  100% +\S+  bne\.n", text, re.MULTILINE)
    layer = annotate(program, counts, layer="memory")
    assert layer.startswith("504 instructions in layer memory\n")
    assert "4000" not in layer.replace("#4000", "")
    with pytest.raises(BoardError, match="no layer 'x'; its layers: loop, empty, memory"):
        annotate(program, counts, layer="x")
    with pytest.raises(BoardError, match="'x' did not run; what ran: tvmgen_calibration_run"):
        annotate(program, counts, function="x")


def test_hotspots_command(ready, make_model, capsys):
    ready("mps2-an386")
    assert main([str(make_model()), "--layer", "dot"]) == 0
    assert re.search(r"^ +155 +\d+ +\S+ %  dot", capsys.readouterr().out, re.MULTILINE)
    assert main([str(make_model()), "--board", "none"]) == 2
    assert capsys.readouterr().err.startswith("error: unknown board 'none'")


def test_example_inputs_are_the_same_everywhere(make_model):
    program = (
        "import sys; from pathlib import Path; from hashlib import sha256;"
        "from tinyengine_tvm.boards.artifact import CompiledModel;"
        "from tinyengine_tvm.boards.samples import example_inputs;"
        "arrays = example_inputs(CompiledModel.load(Path(sys.argv[1])));"
        "print(sha256(b''.join(a.tobytes() for a in arrays.values())).hexdigest())"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    digests = {
        subprocess.run(
            [sys.executable, "-c", program, str(make_model())],
            env={**environment, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
