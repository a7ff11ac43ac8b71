# SPDX-License-Identifier: Apache-2.0
"""Quantised ONNX networks, end to end, against onnxruntime with graph optimisations off."""

from __future__ import annotations

import numpy as np
import pytest

from tests import onnx_models
from tinyengine_tvm import compile_model

ort = pytest.importorskip("onnxruntime")

SAMPLES = 40


def onnxruntime_outputs(path: str, samples: np.ndarray) -> dict[str, np.ndarray]:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (port,) = session.get_inputs()
    runs = [session.run(None, {port.name: sample}) for sample in samples]
    names = [output.name for output in session.get_outputs()]
    return {name: np.stack([run[i] for run in runs]) for i, name in enumerate(names)}


def steps(values: np.ndarray) -> float:
    """The distance between neighbouring values of a dequantised tensor."""
    levels = np.unique(values.astype(np.float64))
    return float(np.min(np.diff(levels)))


@pytest.mark.parametrize("unsigned", [False, True], ids=["int8", "uint8"])
@pytest.mark.parametrize("name", onnx_models.NETWORKS)
def test_equals_onnxruntime(tmp_path, name, unsigned):
    path = onnx_models.save(name, tmp_path, unsigned=unsigned)
    samples = onnx_models.samples(name, SAMPLES)
    expected = onnxruntime_outputs(str(path), samples)
    result = compile_model(path, target="host").run("host", samples)
    assert set(result) == set(expected)
    for output, reference in expected.items():
        assert len(np.unique(reference)) > 10, "the network says nothing"
        difference = np.abs(result[output].astype(np.float64) - reference)
        step = steps(reference)
        assert np.mean(difference < step / 2) >= 0.999
        assert difference.max() < 1.5 * step


@pytest.mark.parametrize("board", ["mps2-an385", "mps2-an386", "mps3-an547"])
def test_boards_equal_the_host(tmp_path, board):
    """Float ends and float32 semantics give the same bits with and without an FPU."""
    cores = {"mps2-an385": "cortex-m3", "mps2-an386": "cortex-m4", "mps3-an547": "cortex-m55"}
    for name in ("residual", "pools", "classifier"):
        path = onnx_models.save(name, tmp_path)
        samples = onnx_models.samples(name, 4)
        host = compile_model(path, target="host").run("host", samples)
        result = compile_model(path, target=cores[board]).run(board, samples)
        for output, value in host.items():
            np.testing.assert_array_equal(result[output], value)
