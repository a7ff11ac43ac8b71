# SPDX-License-Identifier: Apache-2.0
"""`tinyengine boards` and `tinyengine targets`."""

from __future__ import annotations

import json

from tinyengine_tvm.boards import ALL_BOARDS as BOARDS
from tinyengine_tvm.targets import TARGETS


def test_every_board_and_target_is_listed(tinyengine):
    for command, names in (("boards", BOARDS), ("targets", TARGETS)):
        text = tinyengine(command)
        assert text.code == 0
        for name in names:
            assert name in text.out
        entries = json.loads(tinyengine(command, "--json").out)
        assert [e["name"] for e in entries] == list(names)


def test_missing_tools_come_with_the_command_that_installs_them(tinyengine, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    entries = {e["name"]: e for e in json.loads(tinyengine("boards", "--json").out)}
    board = entries["mps2-an386"]
    assert not board["ready"]
    tools = {entry["tool"]: entry["package"] for entry in board["missing"]}
    assert tools["qemu-system-arm"] == "qemu-system-arm"
    assert tools["arm-none-eabi-gcc"] == "gcc-arm-none-eabi"
    assert board["install"].startswith("sudo apt-get install ")
    for package in tools.values():
        assert package in board["install"]

    text = tinyengine("boards").out
    assert "lacks" in text
    assert "sudo apt-get install" in text and "qemu-system-arm" in text.splitlines()[-1]
    assert "sudo apt-get install" in tinyengine("targets").out

    targets = {e["name"]: e for e in json.loads(tinyengine("targets", "--json").out)}
    assert {"name": "mps2-an386", "ready": False} in targets["cortex-m4"]["boards"]


def test_targets_tell_what_gcc_is_told(tinyengine):
    targets = {e["name"]: e for e in json.loads(tinyengine("targets", "--json").out)}
    assert "-mcpu=cortex-m55" in targets["cortex-m55"]["gcc_flags"]
    assert "mve" in targets["cortex-m55"]["features"]
    assert "-mcpu=cortex-m55" in tinyengine("targets").out
