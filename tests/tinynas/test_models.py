# SPDX-License-Identifier: Apache-2.0
"""The memory models of other engines: TFLite Micro's against its Python package, and by hand."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.tflite_models import write_tflite
from tinyengine_tvm.network import Network, Reshape
from tinynas.hardware import network_of
from tinynas.hardware.models import tflm_arena, tinyengine_peak
from tinynas.space import Architecture, Block


def architecture(size: int, *blocks: Block, stem: int = 8, head: int = 0) -> Architecture:
    """Sizes are one more than a multiple of 2**strides, where SAME pads both sides alike."""
    return Architecture((1, size, size), stem, 3, 2, blocks, head, 10)


CASES = [
    architecture(33, Block(3, 8, 8), Block(3, 24, 12, 2), Block(5, 36, 12)),
    architecture(33, Block(3, 8, 8), Block(3, 24, 12, 2)),
    architecture(33, Block(5, 8, 16), Block(3, 64, 16), Block(7, 64, 24, 2), head=48),
    architecture(
        65, Block(3, 16, 8), Block(3, 48, 16, 2), Block(3, 48, 16), Block(3, 64, 24, 2), stem=16
    ),
]


def without_views(network: Network) -> Network:
    """The network as TFLite has it: channels last at the interface, no reshapes."""
    first, *rest = network.layers
    assert isinstance(first, Reshape)
    layers = [layer for layer in rest if not isinstance(layer, Reshape)]
    flat = network.tensor(layers[-1].inputs[0])
    layers[-2] = replace(layers[-2], output=flat.name)
    source = {first.output: "input", **{name: name for name in network.outputs}}
    found = network.with_layers(layers, inputs=(first.output,), source=source)
    return replace(found, mode="tflite")


@pytest.mark.parametrize("case", CASES)
def test_tflite_micro_takes_as_much(case: Architecture, capfd: pytest.CaptureFixture[str]) -> None:
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    interpreter = runtime.Interpreter.from_bytes(write_tflite(without_views(network_of(case))))
    interpreter.print_allocations()
    said = "".join(capfd.readouterr())
    total = int(re.search(r"Arena allocation total (\d+)", said)[1])  # type: ignore[index]
    assert tflm_arena(case, pointer=8) == pytest.approx(total, rel=0.01)
    assert tflm_arena(case) < tflm_arena(case, pointer=8)


def test_tinyengine_computes_depthwise_in_place_and_keeps_residuals() -> None:
    # Stem: 33 * 33 + 17 * 17 * 8; expansion of the second block: (8 + 24) * 17 * 17.
    plain = architecture(33, Block(3, 8, 8), Block(3, 24, 12, 2))
    assert tinyengine_peak(plain) == (8 + 24) * 17 * 17
    # In place the depthwise takes one plane more, and the block's input waits.
    residual = architecture(33, Block(3, 8, 8), Block(3, 24, 8))
    assert tinyengine_peak(residual) == (24 + 8 + 8) * 17 * 17
