# SPDX-License-Identifier: Apache-2.0
"""Recorded counts are shown as such, and give way to measured ones."""

from __future__ import annotations

from tinyengine_tvm.bench import Row
from tinyengine_tvm.bench.recorded import recorded_facts, recorded_rows
from tinyengine_tvm.bench.report import bench_files, cells
from tinyengine_tvm.bench.rows import Bench

ENGINES = {
    "CMSIS-NN called directly",
    "TinyEngine",
    "tflite-micro + CMSIS-NN",
    "tflite-micro reference kernels",
}


def test_rows_of_a_model_and_core():
    rows = recorded_rows("vww_96_int8", "mps2-an386", "cortex-m4")
    assert {row.engine for row in rows} == ENGINES
    assert {(row.board, row.core, row.macs) for row in rows} == {
        ("mps2-an386", "cortex-m4", 7489664)
    }
    assert recorded_rows("vww_96_int8", "mps2-an385", "cortex-m3") == []
    assert recorded_rows("another", "mps2-an386", "cortex-m4") == []


def test_each_says_that_it_is_recorded_and_with_what():
    for row in recorded_rows("vww_96_int8", "mps2-an386", "cortex-m4"):
        assert row.source == "recorded" and row.outputs is None and row.cycles is None
        for what in ("recorded, not measured now", *recorded_facts()["versions"].values()):
            assert what in row.note
        assert recorded_facts()["flags"] in row.note
        assert cells(row)[-1] == "recorded"
    rows = recorded_rows("vww_96_int8", "mps2-an386", "cortex-m4")
    (tinyengine,) = (row for row in rows if row.engine == "TinyEngine")
    assert tinyengine.note.startswith("SOFTMAX and RESHAPE removed")


def test_measured_engines_are_left_out():
    rows = recorded_rows("ad01_int8", "mps2-an386", "cortex-m4", {"TinyEngine"})
    assert {row.engine for row in rows} == ENGINES - {"TinyEngine"}


def test_unequal_outputs_are_loud():
    row = Row("e", "m", "b", "c", "measured", 10, 25, None, 1, 2, 3, 4, outputs=("oracle", False))
    assert cells(row)[-1] == "NOT equal to oracle"
    assert cells(row)[3] == "2.500"
    files = bench_files(Bench(("b",), (row,), ()), "tinyengine bench m")
    text = files["bench.md"].decode()
    assert "| m | b | e | 25 | 2.50 | \u2013 | 1 | 2 | 3 | 4 | NOT equal to oracle |" in text
    assert "NOT equal to " in files["bench.html"].decode()
