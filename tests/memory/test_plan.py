# SPDX-License-Identifier: Apache-2.0
"""Plans of whole networks: lifetimes, aliases, scratch, and the checker that replays them."""

from __future__ import annotations

import numpy as np
import pytest

from tinyengine_tvm.memory import Buffer, PlanError, check_plan, lifetimes, plan_memory
from tinyengine_tvm.memory.lifetimes import View, scratch_name
from tinyengine_tvm.network import Add, Clip, Layer, Network, Quantisation, Reshape, Tensor, verify

Q = Quantisation(0.5, 3)


def network(*layers: Layer, shapes: dict[str, int], inputs: str, outputs: str) -> Network:
    tensors = {name: Tensor(name, (size,), "int8", Q) for name, size in shapes.items()}
    made = Network("net", "tflite", tensors, layers, tuple(inputs.split()), tuple(outputs.split()))
    return verify(made)


@pytest.fixture
def residual() -> Network:
    """x -> a -> b -> c, c + a -> y: the skip keeps a alive."""
    return network(
        Clip("one", ("x",), "a"),
        Clip("two", ("a",), "b"),
        Clip("three", ("b",), "c"),
        Add("sum", ("c", "a"), "y"),
        shapes=dict.fromkeys("xabcy", 40),
        inputs="x",
        outputs="y",
    )


def test_lifetimes_of_a_residual_block(residual: Network) -> None:
    buffers, aliases = lifetimes(residual, {"two": 12, "three": 0})
    assert buffers == [
        Buffer("x", 40, 0, 0),
        Buffer("a", 40, 0, 3),
        Buffer("b", 40, 1, 2),
        Buffer("c", 40, 2, 3),
        Buffer("y", 40, 3, 3),
        Buffer("two#scratch", 12, 1, 1),
    ]
    assert aliases == {name: View(name) for name in "xabcy"}


def test_plan_of_a_residual_block(residual: Network) -> None:
    plan = plan_memory(residual, {"two": 12})
    assert plan.arena_bytes == plan.lower_bound == 120
    assert [plan.live_bytes(layer.name) for layer in residual.layers] == [80, 92, 120, 120]
    placed = sorted([plan.offset_of("a"), plan.offset_of("c"), plan.offset_of("y")])
    assert placed == [0, 40, 80]
    assert plan.scratch_offset("two") % 4 == 0
    with pytest.raises(KeyError):
        plan.scratch_offset("one")


def test_inputs_are_all_live_at_the_start_and_outputs_at_the_end() -> None:
    """The caller fills both inputs before the run, and reads both outputs after it."""
    made = network(
        Clip("one", ("x",), "early"),
        Clip("two", ("early",), "b"),
        Add("three", ("b", "late"), "y"),
        shapes={"x": 8, "late": 8, "unused": 8, "early": 8, "b": 8, "y": 8},
        inputs="x late unused",
        outputs="early y",
    )
    buffers, _ = lifetimes(made, {})
    lives = {b.name: (b.first, b.last) for b in buffers}
    assert lives["late"] == (0, 2)
    assert lives["unused"] == (0, 0)
    assert lives["early"] == (0, 2)
    plan = plan_memory(made, {})
    inputs = {plan.offset_of(name) for name in made.inputs}
    assert len(inputs) == 3


def test_reshape_shares_the_buffer_of_its_input() -> None:
    made = network(
        Clip("one", ("x",), "a"),
        Reshape("flat", ("a",), "b"),
        Reshape("again", ("b",), "c"),
        Clip("two", ("a",), "d"),
        Add("sum", ("c", "d"), "y"),
        shapes=dict.fromkeys("xabcdy", 16),
        inputs="x",
        outputs="y",
    )
    buffers, aliases = lifetimes(made, {})
    assert [b.name for b in buffers] == ["x", "a", "d", "y"]
    assert aliases["b"] == aliases["c"] == View("a")
    assert next(b for b in buffers if b.name == "a").last == 4
    plan = plan_memory(made, {})
    assert plan.offset_of("a") == plan.offset_of("b") == plan.offset_of("c")
    assert plan.arena_bytes == 48


def test_an_output_that_is_a_reshaped_input() -> None:
    made = network(
        Reshape("flat", ("x",), "y"),
        Clip("one", ("x",), "z"),
        shapes=dict.fromkeys("xyz", 8),
        inputs="x",
        outputs="y z",
    )
    plan = plan_memory(made, {"one": 5})
    assert plan.offset_of("x") == plan.offset_of("y") != plan.offset_of("z")
    assert plan.live_bytes("one") == 21


def test_constants_take_no_room_in_the_arena() -> None:
    constant = Tensor("k", (8,), "int8", Q, np.zeros(8, np.int8))
    tensors = {name: Tensor(name, (8,), "int8", Q) for name in "xryz"} | {"k": constant}
    layers = (
        Add("sum", ("x", "k"), "y"),
        Reshape("fill", ("k",), "r"),
        Add("end", ("y", "r"), "z"),
    )
    made = verify(Network("net", "tflite", tensors, layers, ("x",), ("z",)))
    plan = plan_memory(made, {})
    assert {b.name for b in plan.buffers} == {"x", "y", "r", "z"}
    with pytest.raises(KeyError):
        plan.offset_of("k")


def test_scratch_never_takes_the_name_of_a_tensor() -> None:
    made = network(
        Clip("one", ("one#scratch",), "y"),
        shapes={"one#scratch": 8, "y": 8},
        inputs="one#scratch",
        outputs="y",
    )
    assert scratch_name(made, "one") == "one#scratch#"
    assert plan_memory(made, {"one": 8}).arena_bytes == 24


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b": 0}, "two: a has been overwritten"),
        ({"y": 40}, "sum: c has been overwritten"),
        ({"c": 100}, "c at 100 leaves the arena"),
        ({"two": 60}, "two: b has been overwritten"),
    ],
)
def test_the_replay_finds_each_fault(
    residual: Network, change: dict[str, int], message: str
) -> None:
    good = {"a": 0, "x": 40, "b": 80, "c": 40, "y": 80}
    check_plan(residual, {"two": 20}, good, {"two": 40}, 120)
    tensors = good | {k: v for k, v in change.items() if k in good}
    with pytest.raises(PlanError, match=message):
        check_plan(residual, {"two": 40}, tensors, {"two": change.get("two", 40)}, 120)


def test_the_replay_finds_a_lost_output_and_a_moved_reshape() -> None:
    made = network(
        Clip("one", ("x",), "a"),
        Reshape("flat", ("a",), "b"),
        Clip("two", ("b",), "y"),
        shapes=dict.fromkeys("xaby", 8),
        inputs="x",
        outputs="a y",
    )
    check_plan(made, {}, {"x": 0, "a": 8, "b": 8, "y": 0}, {}, 16)
    with pytest.raises(PlanError, match="flat: the output isn't where the input is"):
        check_plan(made, {}, {"x": 0, "a": 8, "b": 0, "y": 16}, {}, 24)
    with pytest.raises(PlanError, match="two: b has been overwritten"):
        check_plan(made, {}, {"x": 0, "a": 8, "b": 8, "y": 8}, {}, 16)
