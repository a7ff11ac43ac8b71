# SPDX-License-Identifier: Apache-2.0
"""TIR as plain C: exact, without warnings, undefined behaviour or TVM's runtime."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tvm.relax")

from tvm import relax, te, tirx

from tinyengine_tvm.api import compile_network
from tinyengine_tvm.boards import get_board
from tinyengine_tvm.fallback.c_expressions import NotInC
from tinyengine_tvm.fallback.c_source import c_function
from tinyengine_tvm.fallback.loops import lower_to_loops, macs_of
from tinyengine_tvm.importers import import_network
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.network import External, Network

op = relax.op


def network_of(body: Callable[..., Any], *inputs: np.ndarray, allow_slow: bool = False) -> Network:
    """`body(builder, *inputs)` as a network."""
    builder = relax.BlockBuilder()
    parameters = [
        relax.Var(f"x{i}", relax.TensorType(a.shape, str(a.dtype))) for i, a in enumerate(inputs)
    ]
    with builder.function("main", parameters):
        with builder.dataflow():
            result = builder.emit_output(body(builder, *parameters))
        builder.emit_func_output(result)
    return import_network(builder.get(), name="net", allow_slow=allow_slow)


def check(body: Callable[..., Any], want: np.ndarray, *inputs: np.ndarray, **options: Any) -> None:
    """The body's C under the sanitisers, warnings being errors, gives these values."""
    network = network_of(body, *inputs, **options)
    given = dict(zip(network.inputs, inputs, strict=True))
    (value,) = run_reference(network, given).values()
    np.testing.assert_array_equal(value, want)
    (value,) = sanitised(network, given).values()
    assert value.dtype == want.dtype
    np.testing.assert_array_equal(value, want)


def sanitised(network: Network, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of one sample."""
    board = get_board("host")
    with tempfile.TemporaryDirectory() as folder:
        net = compile_network(network, target="host", check=True).save(Path(folder, "net"))
        program = board.build(net, Path(folder, "build"), sanitize=True, cflags=("-Werror",))
        named = {network.source[n]: v[np.newaxis] for n, v in inputs.items()}
        outputs = board.execute(program, named).outputs
    return {name: value[0] for name, value in outputs.items()}


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 3, shape).astype(np.float32)


def test_float_constants_are_exact():
    x = floats(1, 64)
    odd = np.frombuffer(np.random.default_rng(2).bytes(256), np.float32).copy()
    odd[~np.isfinite(odd)] = 1 / 3
    check(lambda b, v: op.maximum(v, relax.const(odd)), np.maximum(x, odd), x)
    third = np.float32(1) / np.float32(3)
    check(lambda b, v: op.multiply(v, relax.const(third)), x * third, x)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, -0.0, 1e-45, 3.4028235e38])
def test_float_constants_that_are_no_plain_numbers(value):
    x = floats(3, 5)
    bound = np.float32(value)
    check(
        lambda b, v: op.where(op.greater(v, op.zeros_like(v)), v, relax.const(bound)),
        np.where(x > 0, x, bound),
        x,
    )


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "int32", "int64", "uint32"])
def test_integers_wrap_in_their_type(dtype):
    info = np.iinfo(dtype)
    x = np.array([info.min, info.max, 3, 100], dtype)
    y = np.array([1, 1, 2, 1], dtype)
    if dtype in ("int32", "int64"):
        # C leaves the overflow of these undefined.
        x = x // 2
    with np.errstate(over="ignore"):
        check(lambda b, v, w: op.add(v, w), x + y, x, y)


def test_division_rounds_as_asked():
    x = np.arange(-9, 9, dtype=np.int32)
    check(lambda b, v: op.floor_divide(v, relax.const(4, "int32")), x // 4, x)
    check(lambda b, v: op.floor_mod(v, relax.const(4, "int32")), x % 4, x)


def test_comparisons_give_bytes_of_zero_and_one():
    x = floats(4, 4)
    check(lambda b, v: op.logical_not(op.greater(v, relax.const(0.5))), ~(x > 0.5), x)


def test_chains_become_one_function_without_scratch():
    x = floats(1, 40)
    network = network_of(lambda b, v: op.negative(op.abs(op.floor(v))), x)
    (layer,) = network.layers
    assert isinstance(layer, External)
    assert layer.operators == ("floor", "abs", "negative")
    assert layer.scratch_bytes == 0
    assert layer.function.count("for (") <= 2


def test_a_reduction_starts_before_its_loops():
    network = network_of(lambda b, v: op.sum(v, axis=1), floats(3, 7))
    (layer,) = network.layers
    assert "if (" not in layer.function
    check(lambda b, v: op.max(v, axis=1), floats(3, 7).max(axis=1), floats(3, 7))


def test_large_intermediate_values_lie_in_the_scratch():
    x = floats(1, 4, 9, 9)
    weight = floats(6, 4, 3, 3)
    network = network_of(
        lambda b, v: op.nn.conv2d(v, relax.const(weight), padding=1), x, allow_slow=True
    )
    (layer,) = network.layers
    # The padded input.
    assert layer.scratch_bytes >= 4 * 11 * 11 * 4
    assert "void *scratch" in layer.function
    assert layer.macs == 6 * 9 * 9 * 4 * 3 * 3


def test_several_results_are_fields_of_one_array():
    x = floats(2, 10)

    def body(builder, v):
        parts = builder.emit(op.split(v, [3, 4], axis=1))
        return op.concat([builder.emit(relax.TupleGetItem(parts, i)) for i in (2, 0, 1)], axis=1)

    check(body, np.concatenate([x[:, 4:], x[:, :3], x[:, 3:4]], axis=1), x)


def test_no_name_of_tvm_and_nothing_but_string_and_math():
    network = network_of(lambda b, v: op.exp(op.tanh(v)), floats(2, 3))
    (layer,) = network.layers
    assert set(layer.includes) <= {"math.h"}
    assert "TVM" not in layer.function and "tvm_" not in layer.function


def _primitive(dtype: str, body: Callable[..., Any]) -> tirx.PrimFunc:
    x = te.placeholder((8,), dtype, name="x")
    return te.create_prim_func([x, te.compute((8,), lambda i: body(x[i]), name="y")])


def test_what_c_lacks_is_named():
    with pytest.raises(NotInC, match="float16"):
        c_function(lower_to_loops(_primitive("float16", lambda v: v + v)), "f")

    def foreign(v):
        return tirx.call_pure_extern("float32", "their_function", v)

    with pytest.raises(NotInC, match="a call of their_function"):
        c_function(lower_to_loops(_primitive("float32", foreign)), "f")


def test_macs_count_products_that_are_summed():
    a, b = (te.placeholder((4, 6), name=n) for n in "ab")
    k = te.reduce_axis((0, 6), "k")
    product = te.compute((4, 4), lambda i, j: te.sum(a[i, k] * b[j, k], axis=k))
    assert macs_of(te.create_prim_func([a, b, product])) == 4 * 4 * 6
    total = te.compute((4,), lambda i: te.sum(a[i, k], axis=k))
    assert macs_of(te.create_prim_func([a, total])) == 0


def test_the_text_is_the_same_in_another_process():
    program = (
        "from tests.fallback.test_c_source import floats, network_of, op\n"
        "n = network_of(lambda b, v: op.nn.softmax(op.exp(v), axis=1), floats(2, 3, 4))\n"
        "print(''.join(l.function for l in n.layers))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1] != ""
