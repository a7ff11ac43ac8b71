# SPDX-License-Identifier: Apache-2.0
"""Operands written straight into the outputs of concatenations and paddings."""

from __future__ import annotations

import numpy as np
import pytest

from tinyengine_tvm import compile_network
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.kernels.registry import select_kernels
from tinyengine_tvm.memory import PlanError, check_plan, joinable, plan_memory
from tinyengine_tvm.memory.choice import plan_selected
from tinyengine_tvm.memory.lifetimes import View
from tinyengine_tvm.network import (
    Add,
    AveragePool2D,
    Clip,
    Concat,
    Layer,
    Network,
    Pad,
    Quantisation,
    Reshape,
    Tensor,
    verify,
)
from tinyengine_tvm.rewrites import REWRITES
from tinyengine_tvm.targets import get_target

Q = Quantisation(0.5, 3)


class Builder:
    """Layers on int8 tensors of one quantisation; every method takes and gives tensor names."""

    def __init__(self, *shape: int) -> None:
        self.tensors = {"x": Tensor("x", shape, "int8", Q)}
        self.layers: list[Layer] = []

    def _append(self, kind: type[Layer], inputs, shape, **facts: object) -> str:
        index = len(self.layers)
        name = f"t{index}"
        self.tensors[name] = Tensor(name, tuple(map(int, shape)), "int8", Q)
        self.layers.append(kind(f"{kind.op}{index}", tuple(inputs), name, **facts))
        return name

    def clip(self, x: str, low: int = -90) -> str:
        return self._append(Clip, [x], self.tensors[x].shape, clamp=(low, 90))

    def concat(self, *inputs: str, axis: int = 1) -> str:
        shape = list(self.tensors[inputs[0]].shape)
        shape[axis] = sum(self.tensors[name].shape[axis] for name in inputs)
        return self._append(Concat, inputs, shape, axis=axis)

    def pad(self, x: str, *pads: tuple[int, int]) -> str:
        shape = [n + sum(p) for n, p in zip(self.tensors[x].shape, pads, strict=True)]
        return self._append(Pad, [x], shape, pads=pads, value=3)

    def flat(self, x: str, *shape: int) -> str:
        return self._append(Reshape, [x], shape)

    def add(self, a: str, b: str) -> str:
        return self._append(Add, [a, b], self.tensors[a].shape)

    def pool(self, x: str) -> str:
        n, _, _, c = shape = self.tensors[x].shape
        return self._append(AveragePool2D, [x], (n, 1, 1, c), kernel=shape[1:3], stride=(1, 1))

    def network(self, *outputs: str) -> Network:
        tensors = dict(self.tensors)
        return verify(Network("net", "tflite", tensors, tuple(self.layers), ("x",), outputs))


def planned(network: Network):
    return plan_selected(network, select_kernels(network, get_target("host"), "speed"))[1]


def check_outputs(network: Network, target: str = "host", board: str = "host") -> str:
    """Compiled with a check around every layer, and compared with numpy; gives model.c."""
    artifact = compile_network(network, target=target, check=True, disabled_rewrites=REWRITES)
    samples = np.random.default_rng(1).integers(-128, 128, (3, *network.tensor("x").shape))
    samples = samples.astype(np.int8)
    results = artifact.run(board, samples)
    for sample, *found in zip(samples, *(results[name] for name in network.outputs), strict=True):
        expected = run_reference(network, {"x": sample})
        for name, value in zip(network.outputs, found, strict=True):
            np.testing.assert_array_equal(value, expected[name])
    return artifact.files["model.c"].decode()


def rows_joined() -> Network:
    """Two maps of 4x4x4 are stacked, pooled, and one of them is read again later."""
    b = Builder(1, 4, 4, 4)
    one, two = b.clip("x"), b.clip("x", -50)
    both = b.concat(one, two)
    return b.network(b.pool(b.clip(both)), b.pool(two))


def test_rows_are_written_where_the_concatenation_wants_them():
    network = rows_joined()
    assert joinable(network) == {"concat2": {"t0": 0, "t1": 64}}
    apart, joined = plan_memory(network, {}), plan_memory(network, {}, joined=["concat2"])
    assert apart.arena_bytes == 320  # both halves twice, and the next layer's output
    assert (
        joined.arena_bytes == 260
    )  # the concatenation, and the next layer's output; 4 of the pool's
    assert joined.aliases["t1"] == View("t2", 64)
    assert joined.offset_of("t1") == joined.offset_of("t2") + 64
    text = check_outputs(network)
    assert "memmove" not in text.split("tvmgen_net_run(")[1]


@pytest.fixture
def all_joined(monkeypatch):
    """Whatever can be joined is, although the arena may be larger."""

    def joined(network, planned):
        return planned(list(joinable(network)))

    monkeypatch.setattr("tinyengine_tvm.memory.choice._joined", joined)


@pytest.mark.parametrize("board", ["host", "mps2-an386"])
def test_in_chains_with_reshapes_paddings_and_at_the_output(board, all_joined):
    b = Builder(1, 4, 4, 4)
    inner = b.concat(b.flat(b.clip("x"), 1, 2, 8, 4), b.flat(b.clip("x", -20), 1, 2, 8, 4))
    padded = b.pad(b.flat(inner, 1, 32, 1, 4), (0, 0), (1, 2), (0, 0), (0, 0))
    outer = b.concat(b.flat(b.pool(inner), 1, 1, 1, 4), b.flat(padded, 1, 35, 1, 4))
    network = b.network(outer)
    plan = planned(network)
    assert plan.aliases["t2"] == View(outer, 4 + 4 + 64)
    assert plan.arena_bytes == 64 + 144
    target = {"host": "host", "mps2-an386": "cortex-m4"}[board]
    text = check_outputs(network, target, board)
    assert "memmove" not in text.split("tvmgen_net_run(")[1]


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_what_is_interleaved_still_runs_over_a_dying_operand(axis):
    b = Builder(1, 6, 6, 4)
    a = b.clip("x")
    c = b.clip("x", -40)
    network = b.network(b.pool(b.concat(a, c, axis=axis)))
    # Both operands, then the output over one of them; or nothing but the output.
    assert planned(network).arena_bytes == {1: 432, 2: 432, 3: 432}[axis]
    check_outputs(network)


def test_a_padded_map_needs_no_room_of_its_own():
    b = Builder(1, 6, 6, 4)
    network = b.network(b.pool(b.pad(b.clip("x"), (0, 0), (1, 2), (2, 1), (0, 3))))
    assert planned(network).arena_bytes == 9 * 9 * 7 + 1 + 7  # one to align the pool's output
    check_outputs(network)


def test_an_operand_stays_apart_where_the_whole_output_would_be_held_too_long():
    b = Builder(1, 1, 1, 8)
    small = b.clip("x")
    wide = b.pad(b.clip("x", -50), (0, 0), (0, 1), (0, 0), (0, 0))
    for _ in range(2):
        wide = b.clip(b.pad(wide, (0, 0), (0, 14), (0, 0), (0, 0)))
    narrow = b.pool(wide)
    many = [b.clip(narrow, -10 * i) for i in range(1, 4)]
    network = b.network(b.concat(small, *many, axis=1))
    check_outputs(network)
    plan = planned(network)
    names = list(joinable(network))
    assert plan.arena_bytes <= min(
        plan_memory(network, {}).arena_bytes, plan_memory(network, {}, joined=names).arena_bytes
    )


def test_what_cannot_be_joined():
    b = Builder(1, 2, 2, 3)
    odd = b.flat(b.clip("x"), 1, 1, 1, 12)
    short = b.flat(b.clip("x", -9), 1, 1, 1, 12)
    unaligned = b.concat(b.flat("x", 1, 1, 1, 12), odd, odd, axis=3)
    third = b.concat(b.clip(b.pool("x")), short, axis=3)
    network = b.network(unaligned, third)
    # Not the network's input, nothing twice, and no place that isn't a multiple of 4 bytes.
    assert joinable(network) == {"concat5": {"t0": 12}, "concat8": {"t7": 0}}
    check_outputs(network)


def random_network(seed: int) -> Network:
    random = np.random.default_rng(seed)
    b = Builder(1, int(random.integers(1, 4)), int(random.integers(1, 4)), 4)
    names = [b.clip("x")]
    for _ in range(12):
        x = names[int(random.integers(max(0, len(names) - 4), len(names)))]
        shape = b.tensors[x].shape
        match random.integers(5):
            case 0:
                new = b.clip(x, int(random.integers(-120, 0)))
            case 1:
                axis = int(random.integers(1, 4))
                pads = [tuple(map(int, random.integers(0, 3, 2))) for _ in range(4)]
                new = b.pad(x, *(pads[d] if d == axis else (0, 0) for d in range(4)))
            case 2:
                new = b.flat(x, 1, shape[1] * shape[2], 1, shape[3])
            case _:
                axis = int(random.integers(1, 4))
                others = [
                    name
                    for name in names
                    if all(
                        m == n
                        for d, (m, n) in enumerate(zip(b.tensors[name].shape, shape, strict=True))
                        if d != axis
                    )
                ]
                picked = [str(name) for name in random.choice(others, min(3, len(others)))]
                new = b.concat(*picked, axis=axis)
        names.append(new)
    read = {name for layer in b.layers for name in layer.inputs}
    return b.network(*(layer.output for layer in b.layers if layer.output not in read))


@pytest.mark.parametrize("seed", range(8))
def test_random_networks(seed):
    check_outputs(random_network(seed))


@pytest.mark.parametrize("seed", range(8, 16))
def test_random_networks_with_all_joined(seed, all_joined):
    check_outputs(random_network(seed))


@pytest.mark.parametrize(
    ("moved", "message"),
    [("t0", "t0 has been overwritten"), ("t3", "t2 has been overwritten")],
)
def test_the_replay_finds_what_is_written_over_a_part(moved, message):
    network = rows_joined()
    plan = plan_memory(network, {}, joined=["concat2"])
    places = {name: plan.offset_of(name) for name in plan.aliases}
    check_plan(network, {}, places, {}, 1024)
    places[moved] = places["t1"] if moved == "t0" else places["t2"] + 32
    with pytest.raises(PlanError, match=message):
        check_plan(network, {}, places, {}, 1024)
