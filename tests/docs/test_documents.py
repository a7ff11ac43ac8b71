# SPDX-License-Identifier: Apache-2.0
"""The documents' commands with small stand-ins for the reader's models: they do what they say."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.docs.guide import ROOT
from tests.docs.test_commands import commands
from tests.networks import small_network
from tests.tflite_models import write_tflite


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With what the documents take to be there."""
    if not all(map(shutil.which, ("arm-none-eabi-gcc", "qemu-system-arm"))):
        pytest.skip("needs gcc-arm-none-eabi and qemu-system-arm")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "model.tflite").write_bytes(write_tflite(small_network()))
    with np.load(ROOT / "examples/fashion_mnist/test_images.npz") as archive:
        images, labels = archive["images"][:20], archive["labels"][:20]
    np.savez(tmp_path / "test.npz", image=np.float32(images / 255).reshape(-1, 1, 1, 28, 28))
    np.save(tmp_path / "labels.npy", labels)
    return tmp_path


def run(document: str, folder: Path, *beginnings: str) -> None:
    """The document's commands that begin so, in its order; each beginning finds one at least."""
    found = [shlex.join(words) for words in commands((ROOT / "docs" / document).read_text())]
    for beginning in beginnings:
        assert any(command.startswith(beginning) for command in found), beginning
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in found:
        if command.startswith(beginnings):
            done = subprocess.run(
                shlex.split(command.replace("'~", str(folder)).replace("'", "")),
                cwd=folder,
                env={**os.environ, "PATH": tools},
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_reports_and_exports(folder: Path) -> None:
    run("report.md", folder, "tinyengine compile", "tinyengine report")
    for name in ("net.html", "net.md", "net.json"):
        assert (folder / name).stat().st_size > 0
    run("zephyr.md", folder, "tinyengine export")
    assert (folder / "net_app/prj.conf").is_file()
    assert (folder / "Arduino/libraries/tinyengine_net/library.properties").is_file()
    assert (folder / "third_party/net/CMakeLists.txt").is_file()


def test_tuning(folder: Path) -> None:
    run("tuning.md", folder, "tinyengine tune model.tflite", "tinyengine compile model.tflite")
    assert (folder / "model.jsonl").stat().st_size > 0


def test_results_can_be_measured_again(folder: Path) -> None:
    run("results.md", folder, "tinyengine compile", "tinyengine validate")
