# SPDX-License-Identifier: Apache-2.0
"""TFLite Micro on this machine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tinyengine_tvm.bench import Subject
from tinyengine_tvm.bench.host import measure_host, runtime
from tinyengine_tvm.bench.rows import Unable
from tinyengine_tvm.kernels.reference import run_reference


@pytest.fixture(scope="module")
def module():
    return runtime() or pytest.skip("the package tflite-micro isn't installed")


def test_outputs_and_arena(module, model, capfd):
    subject = Subject.load(model)
    row, (outputs,) = measure_host(subject, module)
    (name,) = subject.network.inputs
    for sample, output in zip(subject.inputs[name], outputs, strict=True):
        (expected,) = run_reference(subject.network, {name: sample}).values()
        np.testing.assert_array_equal(output, expected)
    # Input and output of the first convolution alone take 435.
    assert 435 < row.sram_bytes < 10_000
    assert (row.instructions, row.stack_bytes, row.board) == (None, None, "host")
    # What the interpreter prints of its allocations is read, and not shown.
    assert capfd.readouterr().err == ""


def test_a_model_that_it_refuses(module, model):
    subject = Subject.load(model)
    assert subject.flatbuffer is not None
    cut = replace(subject, inputs={"image": np.zeros((4, 1, 9, 7, 4), np.int8)})
    with pytest.raises(Unable, match="the interpreter refuses it"):
        measure_host(cut, module)
    with pytest.raises(Unable, match=r"takes .tflite files alone"):
        measure_host(replace(subject, flatbuffer=None), module)
