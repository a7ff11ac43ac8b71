# SPDX-License-Identifier: Apache-2.0
"""TFLite Micro on a board: our adapter around an interpreter that stands in for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.bench.conftest import BOARD
from tests.networks import small_network
from tests.tflite_models import write_tflite
from tinyengine_tvm.bench import Peers, Subject
from tinyengine_tvm.bench.rows import Unable
from tinyengine_tvm.bench.tflm import CXX_LIBRARY, REFERENCE, TfliteMicro
from tinyengine_tvm.bench.tflm_source import METHODS, adapter_source
from tinyengine_tvm.boards import get_board
from tinyengine_tvm.boards.tools import ARM_GCC, library_file, missing_tools
from tinyengine_tvm.errors import BoardError, TinyEngineError
from tinyengine_tvm.importers.tflite_operators import Operator, operators
from tinyengine_tvm.targets import get_target

TREE = Path(__file__).with_name("stub_tflm")
M4 = get_target("cortex-m4")
CXX = ("-std=c++17", "-fno-rtti", "-fno-exceptions", f"-I{TREE}")
needs_cxx = pytest.mark.skipif(
    bool(missing_tools([ARM_GCC])) or not library_file(CXX_LIBRARY).is_absolute(),
    reason="needs libstdc++-arm-none-eabi-newlib",
)


@pytest.fixture
def library(archive: Callable[..., Path]) -> Path:
    return archive(TREE / "interpreter.cc", (*M4.gcc_flags, *CXX))


@needs_cxx
def test_outputs_arena_and_layers(model, library, tmp_path):
    subject = Subject.load(model)
    peer = TfliteMicro.open(str(library), [TREE], M4)
    assert peer.engine == REFERENCE
    row, (outputs,) = peer.measure(subject, get_board(BOARD), M4, tmp_path)
    (samples,) = subject.inputs.values()
    # Every operator counts up by one; four samples in one boot.
    expected = samples.reshape(len(samples), -1)[:, :10].view(np.uint8) + np.uint8(4)
    np.testing.assert_array_equal(outputs.reshape(len(samples), 10).view(np.uint8), expected)
    # What the interpreter says, with the objects of the interpreter and the resolver.
    assert 1234 < row.sram_bytes < 1234 + 400
    assert row.weights_flash_bytes == len(subject.flatbuffer)
    assert 0 < row.code_flash_bytes < 3000
    assert [layer.name for layer in row.layers] == [
        *("conv_2d_0", "depthwise_conv_2d_0", "reshape_0", "fully_connected_0")
    ]
    # A round of the loops is three instructions at most, and two at least.
    for layer, rounds in zip(row.layers, (1000, 2000, 10, 500), strict=True):
        assert 2 * rounds < layer.instructions < 3 * rounds + 150, layer
    assert sum(layer.instructions for layer in row.layers) == pytest.approx(
        row.instructions, rel=0.02
    )


@needs_cxx
def test_a_failing_set_up_is_one_line(model, archive, tmp_path):
    flags = (*M4.gcc_flags, *CXX, "-DSTATUS=kTfLiteError")
    peer = TfliteMicro.open(str(archive(TREE / "interpreter.cc", flags)), [TREE], M4)
    with pytest.raises(BoardError, match=r"^tflite-micro reference kernels with small: .*sample 0"):
        peer.measure(Subject.load(model), get_board(BOARD), M4, tmp_path)


@needs_cxx
def test_names_of_libraries(library):
    peers = Peers((str(library), f"mine={library}"), (TREE,))
    assert [peer.engine for peer in peers.open(M4)] == [REFERENCE, "tflite-micro, mine"]
    with pytest.raises(TinyEngineError, match=r"two libraries are 'tflite-micro ref"):
        Peers((str(library), str(library)), (TREE,)).open(M4)


@needs_cxx
def test_missing_headers(library, tmp_path):
    with pytest.raises(TinyEngineError, match=r"--tflm-include: tensorflow/lite/micro/micro_inter"):
        TfliteMicro.open(str(library), [tmp_path], M4)
    bare = tmp_path / "tensorflow/lite/micro/micro_interpreter.h"
    bare.parent.mkdir(parents=True)
    bare.touch()
    with pytest.raises(TinyEngineError, match=r"flatbuffers/flatbuffers.h isn't in"):
        TfliteMicro.open(str(library), [tmp_path], M4)


@needs_cxx
def test_an_operator_without_an_adapter(library, monkeypatch, model):
    peer = TfliteMicro.open(str(library), [TREE], M4)
    subject = Subject.load(model)
    monkeypatch.delitem(METHODS, "RESHAPE")
    with pytest.raises(Unable, match=r"the adapter for TFLite Micro lacks RESHAPE$"):
        peer.check(subject, M4)
    onnx = Subject("net", subject.network, None, {})
    with pytest.raises(Unable, match=r"takes .tflite files alone"):
        peer.check(onnx, M4)


def test_just_the_operators_of_the_model():
    layers = operators(write_tflite(small_network()))
    text = adapter_source(layers, (), (), ())
    assert "MicroMutableOpResolver<4>" in text
    for method in ("AddConv2D()", "AddDepthwiseConv2D()", "AddFullyConnected()", "AddReshape()"):
        assert text.count(method) == 1
    assert text.count("resolver->Add") == 4


def test_kernels_for_int8_alone_where_the_library_has_them():
    special = "_ZN6tflite21Register_CONV_2D_INT8Ev"
    int8 = Operator("CONV_2D", 0, 1, True)
    wider = Operator("CONV_2D", 1, 1, False)
    call = "AddConv2D(tflite::Register_CONV_2D_INT8())"
    assert call in adapter_source([int8], (), (), {special})
    assert call not in adapter_source([int8], (), (), ())
    assert call not in adapter_source([int8, wider], (), (), {special})
    pad = adapter_source([Operator("PAD", 0, 0, True)], (), (), {"_ZN6tflite17Register_PAD_INT8Ev"})
    assert "AddPad(tflite::Register_PAD_INT8())" in pad
    assert '#include "tensorflow/lite/micro/kernels/pad.h"' in pad
