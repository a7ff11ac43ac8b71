# SPDX-License-Identifier: Apache-2.0
"""Every portable kernel is valid C and C++, as the code generator for Relax needs it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("tvm_ffi")

from tvm_ffi import libinfo

from tests.random_layers import WEIGHTED, WEIGHTLESS, samples
from tinyengine_tvm import compile_network
from tinyengine_tvm.plugin import region_of
from tinyengine_tvm.relax import source_text


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
@pytest.mark.parametrize("operator", [*WEIGHTLESS, *WEIGHTED])
def test_kernels_are_both(operator: str, mode: str, tmp_path: Path) -> None:
    if not all(map(shutil.which, ("gcc", "g++"))):
        pytest.skip("needs gcc and g++")
    network, _ = samples(operator, mode, 1)[0]
    artifact = compile_network(network, target="host", name="one")
    types = [
        [network.tensor(n).dtype for n in names] for names in (network.inputs, network.outputs)
    ]
    source = tmp_path / "one.c"
    source.write_text(source_text(region_of(artifact, "one", *types)))
    include = {f"-I{libinfo.find_include_path()}", f"-I{libinfo.find_dlpack_include_path()}"}
    for command in (["gcc", "-std=c11", "-Wall", "-Wextra"], ["g++", "-std=c++11", "-Wall"]):
        flags = ["-Werror", "-fsyntax-only", "-Wno-unknown-pragmas", *sorted(include)]
        done = subprocess.run([*command, *flags, str(source)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
