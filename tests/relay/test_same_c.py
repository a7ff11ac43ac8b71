# SPDX-License-Identifier: Apache-2.0
"""What is compiled through Relay equals what is compiled through Relax, byte for byte."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.relay.compiled import CASES, compile_all
from tests.relay.conftest import ROOT

MODELS = ("ad01_int8", "kws_ref_model", "mcunet_vww", "pretrainedResnet_quant", "vww_96_int8")


def compare(models: list[Path], relax_python: Path, folder: Path) -> None:
    command = [str(relax_python), "-m", "tests.relay.compiled", "compile", str(folder / "relax")]
    subprocess.run([*command, *map(str, models)], cwd=ROOT, check=True, timeout=900)
    compile_all(folder / "relay", models)
    for model in models:
        through_relax, through_relay = (
            {p.name: p.read_bytes() for p in (folder / dialect / model.stem).iterdir()}
            for dialect in ("relax", "relay")
        )
        assert set(through_relay) == set(through_relax) >= {"model.c", "model.h", "net.tar"}
        for name, content in through_relax.items():
            assert through_relay[name] == content, f"{model.stem}: {name} differs"


@pytest.mark.parametrize("model", MODELS)
def test_real_models(model, shared_models, relax_python, tmp_path):
    compare([shared_models / f"{model}.tflite"], relax_python, tmp_path)


# In a few lots: most of the time goes into starting the other interpreter.
@pytest.mark.parametrize("lot", range(4))
def test_onnx_networks(lot, onnx_networks, relax_python, tmp_path):
    models = [onnx_networks / f"{case}.onnx" for case in CASES[lot::4]]
    compare(models, relax_python, tmp_path)
