# SPDX-License-Identifier: Apache-2.0
"""`tinyengine profile`: the JSON document and the table."""

from __future__ import annotations

import json

import pytest

from tinyengine_tvm.artifact import Artifact
from tinyengine_tvm.boards import get_board

NUMBERS = {
    "board": "mps2-an386",
    "target": "cortex-m4",
    "instructions": 12_345,
    "macs": 2_000,
    "instructions_per_mac": 6.1725,
    "cycles": 20_345,
    "cycles_per_mac": 10.1725,
    "sram": {"arena": 1_000, "static": 20, "stack": 304, "total": 1_324},
    "flash": {"weights": 5_000, "code": 1_700, "total": 6_700},
    "layers": [
        {
            "name": "conv[1]",
            "op": "conv2d",
            "instructions": 12_000,
            "cycles": 19_900,
            "macs": 2_000,
            "arena_live": 999,
        },
        {
            "name": "flat",
            "op": "reshape",
            "instructions": 345,
            "cycles": 445,
            "macs": 0,
            "arena_live": 77,
        },
    ],
    "note": None,
    "cycles_note": None,
}


def given(monkeypatch: pytest.MonkeyPatch, numbers: dict) -> None:
    class Profile:
        def to_json(self) -> dict:
            return numbers

    monkeypatch.setattr(Artifact, "profile", lambda self, board: Profile())


def test_json_is_the_profile(tinyengine, compiled_for_m4, monkeypatch):
    given(monkeypatch, NUMBERS)
    result = tinyengine("profile", compiled_for_m4, "--board", "mps2-an386", "--json")
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == NUMBERS


def test_table_names_every_figure(tinyengine, compiled_for_m4, monkeypatch):
    given(monkeypatch, NUMBERS)
    lines = tinyengine("profile", compiled_for_m4, "--board", "mps2-an386").out.splitlines()
    row = next(line for line in lines if line.startswith("conv[1]"))
    assert row.split()[:6] == ["conv[1]", "conv2d", "12,000", "97.2%", "2,000", "6.00"]
    assert row.split()[6:] == ["19,900", "9.95", "999"]
    text = "\n".join(lines)
    for figure in (
        "12,345",
        "6.17",
        "20,345",
        "10.17",
        "1,324",
        "1,000",
        "304",
        "6,700",
        "5,000",
        "1,700",
    ):
        assert figure in text


def test_layers_that_were_not_measured_say_so(tinyengine, compiled_for_m4, monkeypatch):
    layers = [layer | {"instructions": None, "cycles": None} for layer in NUMBERS["layers"]]
    notes = {"note": "QEMU has no plugins here", "cycles_note": "no cycles without it"}
    given(monkeypatch, NUMBERS | {"layers": layers, "cycles": None, **notes})
    result = tinyengine("profile", compiled_for_m4, "--board", "mps2-an386")
    assert result.code == 0
    assert result.out.count("not measured") == 2
    assert "QEMU has no plugins here\nno cycles without it\n" in result.out
    assert "per inference, 10" not in result.out


def test_cores_without_timings_have_no_column_of_cycles(tinyengine, compiled, monkeypatch):
    layers = [layer | {"cycles": None} for layer in NUMBERS["layers"]]
    absent = {"cycles": None, "cycles_per_mac": None, "cycles_note": "no timings of cortex-m55"}
    given(monkeypatch, NUMBERS | {"layers": layers, **absent})
    lines = tinyengine("profile", compiled, "--board", "mps2-an386").out.splitlines()
    row = next(line for line in lines if line.startswith("conv[1]"))
    assert row.split() == ["conv[1]", "conv2d", "12,000", "97.2%", "2,000", "6.00", "999"]
    assert lines[-1] == "no timings of cortex-m55"


def test_profile_of_a_real_run(tinyengine, compiled_for_m4):
    if get_board("mps2-an386").missing():
        pytest.skip("the tools of mps2-an386 are not on this machine")
    result = tinyengine("profile", compiled_for_m4, "--board", "mps2-an386", "--json")
    assert (result.code, result.err) == (0, "")
    document = json.loads(result.out)
    metadata = json.loads((compiled_for_m4 / "metadata.json").read_text())
    assert document["board"] == "mps2-an386" and document["target"] == "cortex-m4"
    assert document["macs"] == sum(layer["macs"] for layer in metadata["layers"])
    assert document["sram"]["arena"] == metadata["arena_bytes"]
    assert document["instructions"] > document["macs"]
    assert document["cycles"] > document["instructions"]
    assert document["cycles"] == sum(layer["cycles"] for layer in document["layers"])
    assert [layer["name"] for layer in document["layers"]] == [
        layer["name"] for layer in metadata["layers"]
    ]
