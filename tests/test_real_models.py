# SPDX-License-Identifier: Apache-2.0
"""Real models, end to end: byte for byte TFLite Micro's outputs, on the host and every board."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tinyengine_tvm import compile_network
from tinyengine_tvm.artifact import Artifact
from tinyengine_tvm.importers import import_network
from tinyengine_tvm.network import Network
from tinyengine_tvm.network.macs import network_macs

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


@dataclass(frozen=True)
class Price:
    """Instructions per inference, cycles per MAC and bytes of code: at most."""

    model: str
    instructions: int
    cycles_per_mac: float
    code: int
    kept: bool = False
    """Whether channels that never change are kept."""
    optimise: str = "speed"


PRICES = (
    Price("vww_96_int8", 4_300_000, 0.86, 9_000),
    Price("vww_96_int8", 7_600_000, 1.47, 8_800, kept=True),
    Price("vww_96_int8", 4_800_000, 0.94, 5_800, optimise="size"),
    Price("vww_96_int8", 8_600_000, 1.65, 5_100, kept=True, optimise="size"),
    Price("kws_ref_model", 2_620_000, 1.38, 6_500),
    Price("pretrainedResnet_quant", 11_200_000, 1.25, 6_200),
    Price("ad01_int8", 245_000, 1.38, 4_300),
    Price("mcunet_vww", 12_000_000, 1.52, 17_000),
)
"""As measured, with some hundredths of room."""


@pytest.mark.parametrize("price", PRICES, ids=str)
def test_code_and_instructions_on_cortex_m4(shared_dir, price):
    # Compared with engines that leave QUANTIZE and DEQUANTIZE to the caller.
    path = shared_dir / "models" / f"{price.model}.tflite"
    network = import_network(path, name="net", interface="int8")
    disabled = ("dead_channels",) if price.kept else ()
    artifact = compile_network(
        network, target="cortex-m4", disabled_rewrites=disabled, optimise=price.optimise
    )
    facts = artifact.profile("mps2-an386").to_json()
    assert facts["instructions"] <= price.instructions
    assert facts["cycles"] / network_macs(network) <= price.cycles_per_mac
    assert facts["flash"]["code"] <= price.code
