# SPDX-License-Identifier: Apache-2.0
"""Compiles the Fashion-MNIST model, runs it on an emulated Cortex-M4, and says how it did.

python examples/fashion_mnist/demo.py
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

import tinyengine_tvm

HERE = Path(__file__).resolve().parent
MODEL = HERE.parent / "models" / "fashion_mnist_tiny.onnx"
IMAGES = HERE / "test_images.npz"
TARGET = "cortex-m4"
BOARD = "mps2-an386"


def measure() -> dict[str, Any]:
    """Compiles the model and runs it on BOARD over the shipped test images.

    Returns fractions `accuracy`, `equal` (outputs that are exactly the reference's) and
    `same_class`; `largest_difference` in steps of the output's int8 scale; the number of `samples`;
    and `profile`, as `tinyengine profile --json` prints it.

    Raises:
        TinyEngineError: the board's tools are missing, or the run failed.
    """
    with np.load(IMAGES) as archive:
        images, labels, reference = archive["images"], archive["labels"], archive["reference"]
        scale = float(archive["scale"])
    artifact = tinyengine_tvm.compile_model(MODEL, target=TARGET, name="fashion")
    pixels = (images.astype(np.float32) / np.float32(255))[:, None, None]
    logits = artifact.run(BOARD, {"image": pixels})["logits"]
    logits = logits.reshape(reference.shape)
    return {
        "samples": len(labels),
        "accuracy": float(np.mean(logits.argmax(1) == labels)),
        "equal": float(np.mean(logits == reference)),
        "same_class": float(np.mean(logits.argmax(1) == reference.argmax(1))),
        "largest_difference": round(float(np.max(np.abs(logits - reference))) / scale),
        "profile": artifact.profile(BOARD).to_json(),
    }


def table(result: dict[str, Any]) -> Table:
    """The figures of `measure` for a reader."""
    profile = result["profile"]
    sram, flash = profile["sram"], profile["flash"]
    shown = Table(title=f"Fashion-MNIST on {profile['board']}", show_header=False, box=box.SIMPLE)
    shown.add_column(style="bold")
    shown.add_column(justify="right")
    shown.add_column()

    def row(name: str, figure: str, more: str = "") -> None:
        shown.add_row(name, figure, more)

    row(
        "accuracy on the device", f"{100 * result['accuracy']:.1f} %", f"{result['samples']} images"
    )
    row("same class as reference", f"{100 * result['same_class']:.1f} %", "onnxruntime")
    difference = result["largest_difference"]
    row(
        "same outputs",
        f"{100 * result['equal']:.2f} %",
        f"largest difference {difference} int8 step{'' if difference == 1 else 's'}",
    )
    row(
        "instructions/inference",
        f"{profile['instructions']:,}",
        f"{profile['instructions_per_mac']:.2f} per MAC, {profile['macs']:,} MACs",
    )
    row(
        "SRAM",
        f"{sram['total']:,} bytes",
        f"arena {sram['arena']:,}, static {sram['static']:,}, stack {sram['stack']:,}",
    )
    row(
        "flash",
        f"{flash['total']:,} bytes",
        f"weights {flash['weights']:,}, code {flash['code']:,}",
    )
    return shown


def main() -> int:
    try:
        with Console(stderr=True).status(f"compiling {MODEL.name}, running it on {BOARD}"):
            result = measure()
    except tinyengine_tvm.TinyEngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    Console().print(table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
