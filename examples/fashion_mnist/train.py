# SPDX-License-Identifier: Apache-2.0
"""Trains, quantises and exports the model that ships as examples/models/fashion_mnist_tiny.onnx.

Needs torch, onnx and onnxruntime, and the data set (Debian package dataset-fashion-mnist). One
thread and fixed seeds: the same machine and library versions give the same file; another processor
may round differently in training and give another network of about the same accuracy.

    python examples/fashion_mnist/train.py --output build/fashion --epochs 12
    python examples/fashion_mnist/train.py --output build/fashion --epochs 12 --test

Without --test only the validation split is used, which is what choices are made by. --test scores
the official test set, and writes its first images with onnxruntime's outputs as test_images.npz.
"""

from __future__ import annotations

import os

# Read by the OpenMP runtime when torch is loaded: idle threads that spin starve other processes.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import hashlib
import logging
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from network import FashionNet, count_macs
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from tinynas.data import fashion_mnist

SEED = 1
BATCH = 128
CALIBRATION_IMAGES = 1000
SHIPPED_IMAGES = 300


def augmented(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A random half of the images mirrored, and all moved by up to one pixel each way together."""
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    down, right = torch.randint(-1, 2, (2,), generator=generator).tolist()
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    return padded[:, :, 1 + down : 29 + down, 1 + right : 29 + right].contiguous()


def train(inputs: np.ndarray, labels: np.ndarray, epochs: int, rate: float) -> FashionNet:
    """Trains with SGD and one learning-rate cycle on float32 inputs [n, 1, 28, 28]."""
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    generator = torch.Generator().manual_seed(SEED)
    x, y = torch.from_numpy(inputs), torch.from_numpy(labels)
    network = FashionNet()
    optimiser = torch.optim.SGD(
        network.parameters(), lr=rate, momentum=0.9, nesterov=True, weight_decay=1e-4
    )
    steps = len(x) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=rate, total_steps=epochs * steps, pct_start=0.2
    )
    loss_of = torch.nn.CrossEntropyLoss()
    for epoch in range(epochs):
        started, total = time.monotonic(), 0.0
        network.train()
        order = torch.randperm(len(x), generator=generator)
        for step in range(steps):
            batch = order[step * BATCH : (step + 1) * BATCH]
            optimiser.zero_grad(set_to_none=True)
            loss = loss_of(network(augmented(x[batch], generator)), y[batch])
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        seconds = time.monotonic() - started
        print(f"epoch {epoch + 1}/{epochs}: loss {total / steps:.4f}, {seconds:.0f} s", flush=True)
    return network.eval()


class Calibration(CalibrationDataReader):
    """Training images, one at a time, for the ranges of the activations."""

    def __init__(self, inputs: np.ndarray) -> None:
        self._images: Iterator[np.ndarray] = iter(inputs)

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._images, None)
        return None if image is None else {"image": image[None]}


def export(network: FashionNet, calibration: np.ndarray, folder: Path) -> Path:
    """Writes float.onnx and the quantised fashion_mnist_tiny.onnx to `folder`; gives the latter."""
    # The first advises another exporter, the second a preparation that folding has done already.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    logging.getLogger().setLevel(logging.ERROR)
    float_path, path = folder / "float.onnx", folder / "fashion_mnist_tiny.onnx"
    torch.onnx.export(
        network,
        (torch.zeros(1, 1, 28, 28),),
        float_path,
        input_names=["image"],
        output_names=["logits"],
        opset_version=13,
        dynamo=False,
    )
    quantize_static(
        float_path,
        path,
        Calibration(calibration),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
    )
    model = onnx.load(path)
    model.graph.name = "fashion_mnist_tiny"
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def outputs_of(path: Path, inputs: np.ndarray) -> np.ndarray:
    """float32 [n, 10]: what onnxruntime computes without rewriting the graph."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"image": image[None]})[0] for image in inputs])


def output_scale(path: Path) -> np.float32:
    """The quantisation scale of the logits: the smallest step between two outputs."""
    for tensor in onnx.load(path).graph.initializer:
        if tensor.name == "logits_scale":
            return np.float32(onnx.numpy_helper.to_array(tensor))
    raise ValueError(f"{path} has no quantised logits")


def accuracy(outputs: np.ndarray, labels: np.ndarray) -> str:
    return f"{100 * np.mean(outputs.argmax(1) == labels):.2f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=fashion_mnist.FOLDER)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--rate", type=float, default=0.2, help="peak learning rate")
    parser.add_argument("--test", action="store_true", help="score the test set and ship images")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)

    data = fashion_mnist.load(arguments.data)
    inputs = data.as_input(data.train.inputs)
    network = train(inputs, data.train.labels, arguments.epochs, arguments.rate)
    weights = sum(m.weight.numel() for m in network.modules() if hasattr(m, "groups"))
    weights += network.classifier.weight.numel()
    print(f"{weights} weights, {count_macs(network)} MACs")

    path = export(network, inputs[:CALIBRATION_IMAGES], arguments.output)
    splits = [("validation", data.validation)]
    if arguments.test:
        splits.append(("test", data.test))
    for name, split in splits:
        inputs, labels = data.as_input(split.inputs), split.labels
        exact = outputs_of(arguments.output / "float.onnx", inputs)
        quantised = outputs_of(path, inputs)
        same = 100 * np.mean(exact.argmax(1) == quantised.argmax(1))
        print(
            f"{name}: float {accuracy(exact, labels)}, int8 {accuracy(quantised, labels)}, "
            f"same class {same:.2f} %"
        )
        if name == "test":
            np.savez_compressed(
                arguments.output / "test_images.npz",
                images=split.inputs[:SHIPPED_IMAGES, 0],
                labels=labels[:SHIPPED_IMAGES].astype(np.uint8),
                reference=quantised[:SHIPPED_IMAGES],
                scale=output_scale(path),
            )
    print(f"{path}: sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
