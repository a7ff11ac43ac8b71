# SPDX-License-Identifier: Apache-2.0
"""Outputs are the same, byte for byte, however the layers are computed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.tiling.random_networks import random_network, samples_of
from tinyengine_tvm.api import compile_network
from tinyengine_tvm.boards import get_board
from tinyengine_tvm.errors import TinyEngineError
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.network import Network

THOROUGH = os.environ.get("TINYENGINE_THOROUGH") == "1"
SAMPLES = 3


def expected(network: Network, samples: np.ndarray) -> np.ndarray:
    (output,) = network.outputs
    return np.stack([run_reference(network, {"image": x})[output] for x in samples])


def run_smallest(
    network: Network, folder: Path, target: str, board: str, samples: np.ndarray, *, stream: bool
) -> tuple[np.ndarray, int]:
    """Outputs of the plan with the least SRAM, and how many of its layers are regions."""
    artifact = compile_network(
        network, target=target, optimise="sram", mac_factor=10, stream_input=stream
    )
    saved = artifact.save(folder)
    result = get_board(board).run(saved, {"image": samples}, sanitize=board == "host")
    (outputs,) = result.outputs.values()
    regions = sum(layer["op"] == "fused" for layer in artifact.metadata["layers"])
    return outputs, regions


CASES = [(seed, mode) for seed in range(60 if THOROUGH else 6) for mode in ("tflite", "onnx")]


@pytest.mark.parametrize(("seed", "mode"), CASES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_random_networks_on_the_host(tmp_path, seed, mode, stream):
    """Under AddressSanitizer and UBSan; every third network takes floats."""
    network = random_network(seed, mode, float_input=seed % 3 == 0)
    samples = samples_of(network, seed, SAMPLES)
    outputs, regions = run_smallest(network, tmp_path / "m", "host", "host", samples, stream=stream)
    np.testing.assert_array_equal(outputs, expected(network, samples))
    assert regions >= stream


BOARDS = {"cortex-m4": "mps2-an386", "cortex-m55": "mps3-an547"}
BOARD_CASES = [
    (target, seed, stream)
    for target, seeds in (
        ("cortex-m4", 40 if THOROUGH else 4),
        ("cortex-m55", 20 if THOROUGH else 2),
    )
    for seed in range(seeds)
    for stream in (False, True)
]


@pytest.mark.parametrize(("target", "seed", "stream"), BOARD_CASES)
def test_random_networks_on_boards(tmp_path, target, seed, stream):
    board = get_board(BOARDS[target])
    if board.missing():
        pytest.skip(board.describe())
    network = random_network(100 + seed, "onnx" if seed % 2 else "tflite", float_input=seed == 3)
    samples = samples_of(network, seed, SAMPLES)
    outputs, regions = run_smallest(
        network, tmp_path / "m", target, board.name, samples, stream=stream
    )
    np.testing.assert_array_equal(outputs, expected(network, samples))
    assert regions >= stream


def test_a_fault_in_the_generated_code_shows(tmp_path):
    """The comparison above can fail: a window that begins a row too late gives other outputs."""
    network = random_network(2)
    samples = samples_of(network, 2, 8)
    artifact = compile_network(network, target="host", optimise="sram", stream_input=True)
    text = artifact.files["model.c"].decode()
    moves = [line for line in text.splitlines() if "memmove(&lines[" in line]
    assert moves
    kept = text.replace(moves[0], "")
    artifact.files["model.c"] = kept.encode()
    result = get_board("host").run(artifact.save(tmp_path / "m"), {"image": samples})
    (outputs,) = result.outputs.values()
    assert not np.array_equal(outputs, expected(network, samples))


def test_an_input_that_is_needed_as_a_whole_is_not_streamed():
    from tests.networks import int8_tensor
    from tinyengine_tvm.network import Reshape, verify

    tensors = {t.name: t for t in (int8_tensor("image", (1, 4, 4, 2)), int8_tensor("y", (1, 32)))}
    layer = Reshape("flatten", ("image",), "y")
    network = verify(Network("net", "tflite", tensors, (layer,), ("image",), ("y",)))
    with pytest.raises(TinyEngineError, match="can't be streamed: reshape 'flatten' reads it as"):
        compile_network(network, target="host", stream_input=True)
