# SPDX-License-Identifier: Apache-2.0
"""The networks that were searched and ship: they fit their budgets, and work on the board."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinyengine_tvm import compile_model
from tinyengine_tvm.boards import get_board

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# Of 300 images of the test set; all 10,000 are in docs/results.md.
SHIPPED = [
    ("fashion_mnist_8kB", 8_000, 32_000, 0.89),
    ("fashion_mnist_16kB", 16_000, 64_000, 0.9),
    ("fashion_mnist_32kB", 32_000, 256_000, 0.92),
]


@pytest.mark.parametrize(("name", "sram", "flash", "least"), SHIPPED)
def test_a_shipped_network_fits_its_budget_and_works(
    name: str, sram: int, flash: int, least: float
) -> None:
    if get_board("mps2-an386").missing():
        pytest.skip("the board's tools are missing")
    model = EXAMPLES / f"models/{name}.onnx"
    artifact = compile_model(model, target="cortex-m4", optimise="size", sram=sram, flash=flash)
    with np.load(EXAMPLES / "fashion_mnist/test_images.npz") as archive:
        images, labels = archive["images"], archive["labels"]
    x = np.float32(images / 255).reshape(-1, 1, 1, 28, 28)
    (logits,) = artifact.run("mps2-an386", x).values()
    assert np.mean(logits.reshape(len(labels), 10).argmax(1) == labels) >= least
    profile = artifact.profile("mps2-an386").to_json()
    assert profile["sram"]["arena"] + profile["sram"]["static"] <= sram
    assert profile["flash"]["weights"] + profile["flash"]["code"] <= flash
