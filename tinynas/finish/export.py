# SPDX-License-Identifier: Apache-2.0
"""Export to ONNX, and quantisation to int8 with onnxruntime."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

INPUT, OUTPUT = "image", "logits"
OPSET = 13


def export_float(network: nn.Module, shape: tuple[int, int, int], path: Path) -> Path:
    """Writes a network in eval mode; `shape` is (channels, height, width), the batch is 1.

    Batch normalisation ends up in the convolutions.
    """
    network = network.cpu().eval()
    with warnings.catch_warnings():
        # It advises the other exporter, which needs packages more.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            (torch.zeros(1, *shape),),
            str(path),
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamo=False,
        )
    return path


def quantise(source: Path, calibration: np.ndarray, path: Path, name: str) -> Path:
    """Writes the QDQ int8 model of a float one: weights per channel, ranges by minimum and maximum.

    `calibration`: the network's inputs, float32 [n, channels, height, width].
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._samples: Iterator[np.ndarray] = iter(calibration)

        def get_next(self) -> dict[str, np.ndarray] | None:
            sample = next(self._samples, None)
            return None if sample is None else {INPUT: sample[None]}

    level = logging.getLogger().level
    # It advises a preparation that folding has done already.
    logging.getLogger().setLevel(logging.ERROR)
    try:
        quantize_static(
            source,
            path,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
    finally:
        logging.getLogger().setLevel(level)
    model = onnx.load(path)
    model.graph.name = name
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def outputs_of(path: Path, inputs: np.ndarray) -> np.ndarray:
    """float32 [n, classes]: what onnxruntime computes, one sample at a time, of float32 inputs.

    Without rewriting the graph: fused operators would round otherwise than the model says.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {INPUT: sample[None]})[0] for sample in inputs])
