# SPDX-License-Identifier: Apache-2.0
"""Libraries that don't fit the core are told apart before anything is linked."""

from __future__ import annotations

import subprocess

import pytest

from tests.bench.conftest import STUB
from tinyengine_tvm.bench.library import open_library, require_header
from tinyengine_tvm.errors import TinyEngineError
from tinyengine_tvm.targets import TARGETS, get_target

CORES = [name for name in TARGETS if name not in ("host", "cortex-m33-nodsp")]
HARD = ("-mthumb", "-mfloat-abi=hard", "-mfpu=auto")
WRONG = {
    "M7 on M4": (("-mcpu=cortex-m7", *HARD), "cortex-m4", "floating-point unit that cortex-m4"),
    "soft on M4": (
        ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft"),
        "cortex-m4",
        "the soft float",
    ),
    "softfp on M7": (
        ("-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=softfp", "-mfpu=auto"),
        "cortex-m7",
        "passes floats by the soft float ABI",
    ),
    "M3 on M4": (("-mcpu=cortex-m3", "-mthumb"), "cortex-m4", "for Armv7 "),
    "M33 on M7": (("-mcpu=cortex-m33", *HARD), "cortex-m7", "for Armv8-M Mainline "),
    "M55 on M33": (("-mcpu=cortex-m55", *HARD), "cortex-m33", "for Armv8.1-M Mainline "),
}


@pytest.mark.parametrize("core", CORES)
def test_a_core_takes_its_own(archive, core):
    target = get_target(core)
    library = open_library(str(archive(STUB / "naive.c", target.gcc_flags)), "--lib", target)
    assert "arm_fully_connected_s8" in library.defines
    assert "memset" in library.wants


@pytest.mark.parametrize("case", WRONG)
def test_another_core_or_abi_is_refused(archive, case):
    flags, core, reason = WRONG[case]
    path = archive(STUB / "naive.c", flags)
    with pytest.raises(TinyEngineError) as raised:
        open_library(str(path), "--lib", get_target(core))
    message = str(raised.value)
    assert reason in message
    assert message.startswith(f"--lib '{path}' ") and "\n" not in message
    # The member, and the cure.
    assert "object.o" in message and f"-mcpu={core}" in message


def test_code_for_this_machine_is_refused(archive):
    path = archive(STUB / "naive.c", (), "gcc")
    with pytest.raises(TinyEngineError, match=r"holds code for .*, not for cortex-m4"):
        open_library(str(path), "--lib", get_target("cortex-m4"))


def test_m4_code_runs_on_m7(archive):
    path = archive(STUB / "naive.c", get_target("cortex-m4").gcc_flags)
    assert open_library(str(path), "--lib", get_target("cortex-m7")).path == path


def test_the_core_in_the_path(archive, tmp_path):
    path = archive(STUB / "naive.c", get_target("cortex-m4").gcc_flags)
    path.rename(tmp_path / "lib-cortex-m4.a")
    pattern = str(tmp_path / "lib-{core}.a")
    found = open_library(pattern, "--lib", get_target("cortex-m4"))
    assert found.path.name == "lib-cortex-m4.a"
    with pytest.raises(TinyEngineError, match=r"lib-cortex-m7.a' doesn't exist; build the library"):
        open_library(pattern, "--lib", get_target("cortex-m7"))


def test_files_that_are_no_libraries(archive, tmp_path):
    path = archive(STUB / "naive.c", get_target("cortex-m4").gcc_flags)
    target = get_target("cortex-m4")
    subprocess.run(["ar", "rcT", "thin.a", str(path.parent / "object.o")], cwd=tmp_path, check=True)
    (tmp_path / "text.a").write_text("hello")
    (tmp_path / "empty.a").write_bytes(b"!<arch>\n")
    # The last half of the object is missing: its section table is there.
    data = path.read_bytes()
    (tmp_path / "cut.a").write_bytes(data[: len(data) // 2])
    for name, reason in (
        ("thin.a", "thin archive"),
        ("text.a", "no static library"),
        ("empty.a", "no object file"),
        ("cut.a", "is damaged at object.o"),
        (".", "is not a file"),
    ):
        with pytest.raises(TinyEngineError, match=reason):
            open_library(str(tmp_path / name), "--lib", target)


def test_headers(tmp_path):
    assert require_header([tmp_path, STUB], "--inc", "arm_nnfunctions.h") == STUB
    with pytest.raises(TinyEngineError, match=r"--inc: arm_nnfunctions.h isn't in "):
        require_header([tmp_path], "--inc", "arm_nnfunctions.h")
    with pytest.raises(TinyEngineError, match=r"--inc '.*/none' is no folder"):
        require_header([STUB, tmp_path / "none"], "--inc", "arm_nnfunctions.h")
