# SPDX-License-Identifier: Apache-2.0
"""Real models, end to end: byte for byte TFLite Micro's outputs, on the host and every board."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tinyengine_tvm import compile_network
from tinyengine_tvm.api import Artifact
from tinyengine_tvm.importers import import_network
from tinyengine_tvm.network import Network

MODELS = ("ad01_int8", "kws_ref_model", "mcunet_vww", "pretrainedResnet_quant", "vww_96_int8")
BOARDS = {
    "host": "host",
    "mps2-an385": "cortex-m3",
    "mps2-an386": "cortex-m4",
    "mps2-an500": "cortex-m7",
    "mps2-an505": "cortex-m33",
    "mps3-an547": "cortex-m55",
}
RANDOM_INPUTS = 200


@cache
def network_of(path: Path) -> Network:
    return import_network(path, name="net")


@cache
def compiled(path: Path, target: str) -> Artifact:
    return compile_network(network_of(path), target=target)


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("model", MODELS)
def test_golden_outputs(shared_dir, model, board):
    golden = np.load(shared_dir / "golden" / f"{model}.npz")
    artifact = compiled(shared_dir / "models" / f"{model}.tflite", BOARDS[board])
    (result,) = artifact.run(board, golden["inputs"]).values()
    assert result.dtype == golden["outputs"].dtype
    np.testing.assert_array_equal(result, golden["outputs"])


@pytest.mark.parametrize("model", MODELS)
def test_random_inputs_equal_tflite_micro(shared_dir, model):
    """Noise drives the accumulators to other ends than pictures do."""
    runtime = pytest.importorskip("tflite_micro").runtime
    path = shared_dir / "models" / f"{model}.tflite"
    artifact = compiled(path, "host")
    (port,) = artifact.metadata["inputs"]
    rng = np.random.default_rng(7)
    shape = (RANDOM_INPUTS, *port["shape"])
    if port["dtype"] == "int8":
        samples = rng.integers(-128, 128, shape).astype(np.int8)
        # Some inputs hold little but extremes, as a saturated sensor gives.
        samples[::4] = np.where(samples[::4] < 0, -128, 127)
    else:
        samples = rng.normal(0, 1.5, shape).astype(np.float32)
    interpreter = runtime.Interpreter.from_file(str(path))
    expected = []
    for sample in samples:
        interpreter.set_input(sample, 0)
        interpreter.invoke()
        expected.append(interpreter.get_output(0).copy())
    (result,) = artifact.run("host", samples).values()
    assert len(np.unique(np.stack(expected))) > 8
    np.testing.assert_array_equal(result, np.stack(expected))


# Bytes of arena and static data, inputs and outputs included.
SRAM = {
    "vww_96_int8": 66_000,
    "kws_ref_model": 17_000,
    "pretrainedResnet_quant": 51_000,
    "ad01_int8": 1_600,
}


@pytest.mark.parametrize("model", SRAM)
def test_cost_on_cortex_m4(shared_dir, model):
    artifact = compiled(shared_dir / "models" / f"{model}.tflite", "cortex-m4")
    facts = artifact.profile("mps2-an386").to_json()
    assert facts["sram"]["arena"] + facts["sram"]["static"] <= SRAM[model]
    assert sum(layer["instructions"] for layer in facts["layers"]) == facts["instructions"]
    if model == "vww_96_int8":
        assert facts["instructions"] <= 100_000_000
        assert facts["flash"]["code"] <= 12_000
