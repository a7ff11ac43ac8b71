# SPDX-License-Identifier: Apache-2.0
"""What can be said of Zephyr boards without a Zephyr tree; test_zephyr_qemu.py needs one."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tinyengine_tvm.boards import ALL_BOARDS, BOARDS, BoardError, get_board
from tinyengine_tvm.boards import zephyr_tree as tree_module
from tinyengine_tvm.boards.artifact import CompiledModel
from tinyengine_tvm.boards.base import harness_header
from tinyengine_tvm.boards.execution import ending
from tinyengine_tvm.boards.tools import missing_tools
from tinyengine_tvm.boards.zephyr_tree import GETTING_STARTED, ZephyrTree, build_error
from tinyengine_tvm.paths import runtime_c

AN521 = get_board("zephyr:mps2_an521")


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Makes a tree with boards of these paths, each with its board.yml if it has a name for it."""

    def make(version: str, boards: dict[str, str | None]) -> ZephyrTree:
        base = tmp_path / "ws" / "zephyr"
        for path, name in boards.items():
            config = base / "boards" / path
            config.parent.mkdir(parents=True, exist_ok=True)
            config.touch()
            if name is not None:
                (config.parent / "board.yml").write_text(f"board:\n  name: {name}\n")
        keys = ("VERSION_MAJOR", "VERSION_MINOR", "PATCHLEVEL")
        lines = [f"{k} = {v}\n" for k, v in zip(keys, version.split("."), strict=True)]
        (base / "VERSION").write_text("".join(lines))
        monkeypatch.setenv("ZEPHYR_BASE", str(base))
        return ZephyrTree.find()

    return make


OLD = {
    "arm/mps2_an521/mps2_an521_defconfig": None,
    "arm/mps2_an385/mps2_an385_defconfig": None,
}
NEW = {
    "arm/mps2/mps2_an521_cpu0_defconfig": "mps2",
    "arm/mps2/mps2_an385_defconfig": "mps2",
    "arm/mps3/mps3_corstone300_an547_defconfig": "mps3",
    "qemu/cortex_m3/qemu_cortex_m3_defconfig": "qemu_cortex_m3",
}


@pytest.mark.parametrize(
    ("version", "boards", "expected"),
    [
        ("2.5.99", OLD, {"mps2_an521": "mps2_an521", "mps2_an385": "mps2_an385"}),
        (
            "4.1.99",
            NEW,
            {
                "mps2_an521": "mps2/an521/cpu0",
                "mps2_an385": "mps2/an385",
                "mps3_an547": "mps3/corstone300/an547",
                "qemu_cortex_m3": "qemu_cortex_m3",
            },
        ),
    ],
)
def test_boards_go_by_the_names_of_the_tree(fake, version, boards, expected):
    tree = fake(version, boards)
    assert tree.version_text == version
    for board in ALL_BOARDS.values():
        if board.name in BOARDS:
            continue
        name = board.name.removeprefix("zephyr:")
        if name in expected:
            assert tree.board(board.names) == expected[name]
        else:
            with pytest.raises(BoardError, match=f"Zephyr {version} in .* has no board {name[:4]}"):
                tree.board(board.names)


def test_names_of_zephyr_are_taken_for_ours():
    assert get_board("zephyr:mps2/an521/cpu0") is AN521
    with pytest.raises(BoardError, match=r"unknown board 'zephyr:nrf'; choose .*mps2_an521"):
        get_board("zephyr:nrf")


@pytest.mark.parametrize("base", [None, "", "nowhere"])
def test_without_a_tree_the_guide_is_named(base, monkeypatch, tmp_path, make_model, samples):
    monkeypatch.delenv("ZEPHYR_BASE", raising=False)
    if base is not None:
        monkeypatch.setenv("ZEPHYR_BASE", str(tmp_path / base) if base else "")
    model = make_model("cortex-m33-nodsp")
    with pytest.raises(BoardError, match="ZEPHYR_BASE is ") as caught:
        AN521.run(model, samples[0])
    assert GETTING_STARTED in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(BoardError, match=re.escape(GETTING_STARTED)):
        AN521.profile(model)
    assert GETTING_STARTED in AN521.describe()


@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m33", "cortex-m55"])
def test_cores_that_the_board_lacks_are_refused(target, make_model, samples):
    # Before anything else is asked for: the tree may be missing.
    message = (
        f"zephyr:mps2_an521 cannot run code for {target}; "
        "it runs cortex-m0plus, cortex-m3, cortex-m33-nodsp"
    )
    with pytest.raises(BoardError) as caught:
        AN521.run(make_model(target), samples[0])
    assert str(caught.value) == message


@pytest.fixture
def packages(monkeypatch):
    """Says which modules every Python here can import."""

    def have(*modules: str) -> None:
        def imports(python: str, wanted: list[str]) -> bool:
            return set(wanted) <= set(modules)

        monkeypatch.setattr(tree_module, "_imports", imports)

    return have


def test_west_builds_where_there_is_a_workspace(fake, packages, tmp_path):
    packages("west")
    tree = fake("4.1.99", NEW)
    (tmp_path / "ws/.west").mkdir()
    (tmp_path / "ws/.west/config").touch()
    command = tree.configure_command(Path("/app"), "mps2/an385", Path("/b"), {"X": "1"}, "/py")
    text = " ".join(command)
    assert text.startswith(
        f"/py -m west -z {tree.base} build --cmake-only -b mps2/an385 -d /b /app --"
    )
    assert "-DX=1" in command and "-DPython3_EXECUTABLE=/py" in command


def test_cmake_builds_where_there_is_none(fake, packages, monkeypatch):
    packages()
    monkeypatch.delenv("ZEPHYR_MODULES", raising=False)
    tree = fake("2.5.99", OLD)
    hal = tree.base.parent / "modules/hal/cmsis"
    hal.mkdir(parents=True)
    app = runtime_c() / "zephyr" / "app"
    command = tree.configure_command(app, "mps2_an385", Path("/b"), {}, "/py")
    assert command[:6] == ["cmake", "-GNinja", "-B", "/b", "-S", str(app)]
    assert "-DBOARD=mps2_an385" in command and "-DPYTHON_PREFER=/py" in command
    assert f"-DZEPHYR_MODULES={hal};{app.parent}" in command
    monkeypatch.setenv("ZEPHYR_MODULES", "/mine")
    command = tree.configure_command(app, "mps2_an385", Path("/b"), {}, "/py")
    assert not any(word.startswith("-DZEPHYR_MODULES") for word in command)


def test_missing_python_packages_come_with_the_command_that_installs_them(packages):
    packages("yaml")
    with pytest.raises(
        BoardError, match=r"pyelftools, PyYAML.*pip install 'tinyengine-tvm\[zephyr"
    ):
        tree_module.build_python()
    packages("elftools", "yaml", "packaging", "jsonschema")
    assert Path(tree_module.build_python()).exists()


def test_the_toolchain_is_ours_unless_the_user_names_one(fake, monkeypatch):
    if missing_tools(["arm-none-eabi-gcc"]):
        pytest.skip("needs gcc-arm-none-eabi")
    tree = fake("4.1.99", NEW)
    monkeypatch.delenv("ZEPHYR_TOOLCHAIN_VARIANT", raising=False)
    environment = tree.environment()
    assert environment["ZEPHYR_TOOLCHAIN_VARIANT"] == "cross-compile"
    assert environment["CROSS_COMPILE"].endswith("/arm-none-eabi-")
    assert environment["ZEPHYR_BASE"] == str(tree.base)
    monkeypatch.setenv("ZEPHYR_TOOLCHAIN_VARIANT", "zephyr")
    assert tree.environment()["ZEPHYR_TOOLCHAIN_VARIANT"] == "zephyr"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "-- Board\nCMake Error at cmake/verify.cmake:116 (message):\n  No toolchain is\n"
            "  installed.\n\n  Please\n",
            "No toolchain is installed.",
        ),
        (
            "prj.conf:2: warning: attempt to assign the value 'y' to the undefined symbol\n"
            "TINYENGINE\n\nerror: Aborting due to Kconfig warnings\n\n"
            "CMake Error at kconfig.cmake:265 (message):\n  command failed with return code: 1\n\n",
            "attempt to assign the value 'y' to the undefined symbol TINYENGINE",
        ),
        (
            "[1/2] x\nld: region `FLASH' overflowed by 1234 bytes\ncollect2: error: ld\n",
            "it needs 1234 bytes more than the board's FLASH",
        ),
        ("a\nmodel.c:3:1: error: unknown type name 'x'\n", "model.c:3:1: error: unknown type name"),
    ],
)
def test_a_failed_build_is_one_line(text, expected):
    found = build_error(text)
    assert found.startswith(expected) and "\n" not in found


def test_a_core_that_locks_up_is_told_of():
    console = "qemu: fatal: Lockup: can't escalate 3 to HardFault\nR00=0\nFPSCR: 00000000\n"
    assert ending(-6, console).startswith("the core locked up")


def test_the_header_of_cmake_is_that_of_python(make_model, tmp_path):
    """Two programs write harness_model.h: one for Zephyr, one for all other boards."""
    if missing_tools(["cmake"]):
        pytest.skip("needs cmake")

    def streamed(facts: dict) -> None:
        facts["inputs"][1]["row_bytes"] = 4

    for number, change in enumerate((None, streamed)):
        folder = make_model(change=change)
        script = tmp_path / f"{number}.cmake"
        script.write_text(
            f'include("{runtime_c() / "zephyr" / "harness.cmake"}")\n'
            f'tinyengine_harness("{folder}" "{tmp_path}")\nmessage("name=${{TINYENGINE_NAME}}")\n'
        )
        # Scripts have no directory to note dependencies in.
        text = script.read_text()
        done = subprocess.run(
            ["cmake", "-P", str(script)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr + text
        assert "name=hand" in done.stderr

        def content(text: str) -> list[str]:
            return [" ".join(line.split()) for line in text.splitlines() if line.strip()]

        made = (tmp_path / "harness_model.h").read_text()
        assert content(made) == content(harness_header(CompiledModel.load(folder)))


def test_the_applications_are_described_for_twister():
    yaml = pytest.importorskip("yaml")
    folder = runtime_c() / "zephyr"
    for path in ("app/sample.yaml", "measure/testcase.yaml"):
        tests = yaml.safe_load((folder / path).read_text())["tests"]
        platforms = next(iter(tests.values()))["platform_allow"].split()
        assert "mps2_an521" in platforms and "mps2/an521/cpu0" in platforms
    assert yaml.safe_load((folder / "zephyr/module.yml").read_text())["name"] == "tinyengine"


def test_zephyr_boards_have_targets_that_exist():
    for board in ALL_BOARDS.values():
        assert board.own_target in board.targets, board.name
    assert AN521.own_target == "cortex-m33-nodsp"
    assert json.dumps(AN521.settings) == "{}"
