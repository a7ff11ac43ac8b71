# SPDX-License-Identifier: Apache-2.0
"""Orders of execution: against every order of small graphs, and how much effort large ones take."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.schedules import branching, parallel
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.memory import plan_memory
from tinyengine_tvm.memory.order import Operator, OperatorGraph
from tinyengine_tvm.memory.reorder import operator_graph, reordered
from tinyengine_tvm.memory.schedule import best_order
from tinyengine_tvm.network import Add, Mean, Network, Quantisation, Reshape, Tensor, verify


def bytes_during(graph: OperatorGraph, done: frozenset[str], op: Operator) -> int:
    """Bytes that are live while `op` runs after the operators `done`, counted value by value."""
    writers = {v: o for o in reversed(graph.operators) for v in o.writes}
    total, shared = 0, 0
    for value, size in graph.sizes.items():
        readers = {o.name for o in graph.operators if value in o.reads} - done
        written = value in graph.inputs or writers[value].name in done
        if writers.get(value) is op or (written and (readers or value in graph.outputs)):
            total += size
        if readers == {op.name} and value not in graph.outputs:
            shared = max(shared, op.shared.get(value, 0))
    return total + op.scratch - shared


def peak_of(graph: OperatorGraph, order: list[Operator]) -> int:
    """The most bytes live at once in this order."""
    peak = sum(graph.sizes[v] for v in graph.inputs)
    for i, op in enumerate(order):
        peak = max(peak, bytes_during(graph, frozenset(o.name for o in order[:i]), op))
    return peak


def needs_of(graph: OperatorGraph) -> dict[str, set[str]]:
    writers = {v: op.name for op in reversed(graph.operators) for v in op.writes}
    return {
        op.name: {writers[v] for v in op.reads if v in writers} - {op.name} | set(op.after)
        for op in graph.operators
    }


def least_peak(graph: OperatorGraph) -> int:
    """The least peak of all orders, by plain dynamic programming over sets of operators."""
    needs = needs_of(graph)
    start = sum(graph.sizes[v] for v in graph.inputs)
    least = {frozenset[str](): start}
    for _ in graph.operators:
        following: dict[frozenset[str], int] = {}
        for done, peak in least.items():
            for op in graph.operators:
                if op.name not in done and needs[op.name] <= done:
                    further = done | {op.name}
                    height = max(peak, bytes_during(graph, done, op))
                    following[further] = min(height, following.get(further, height))
        least = following
    (result,) = least.values()
    return result


def all_orders(graph: OperatorGraph) -> list[list[Operator]]:
    needs = needs_of(graph)
    found: list[list[Operator]] = []

    def extend(order: list[Operator]) -> None:
        if len(order) == len(graph.operators):
            found.append(list(order))
        names = {op.name for op in order}
        for op in graph.operators:
            if op.name not in names and needs[op.name] <= names:
                extend([*order, op])

    extend([])
    return found


@st.composite
def graphs(draw: st.DrawFn, most: int) -> OperatorGraph:
    sizes = {"x": draw(st.integers(1, 30)), "z": draw(st.integers(1, 30))}
    operators: list[Operator] = []
    for i in range(draw(st.integers(1, most))):
        reads = draw(st.lists(st.sampled_from(list(sizes)), min_size=1, max_size=3, unique=True))
        sizes[f"v{i}"] = draw(st.integers(1, 30))
        over = {
            value: draw(st.integers(0, min(sizes[value], sizes[f"v{i}"])))
            for value in reads
            if draw(st.booleans())
        }
        operators.append(
            Operator(f"op{i}", tuple(reads), (f"v{i}",), draw(st.sampled_from([0, 0, 7])), over)
        )
    read = {v for op in operators for v in op.reads}
    outputs = tuple(v for v in sizes if v not in read and v not in "xz")
    return OperatorGraph(tuple(operators), sizes, ("x", "z"), outputs)


@settings(max_examples=200, deadline=None)
@given(graphs(6))
def test_the_peak_is_the_least_of_all_orders(graph: OperatorGraph) -> None:
    found = best_order(graph)
    by_name = {op.name: op for op in graph.operators}
    order = [by_name[name] for name in found.names]
    orders = all_orders(graph)
    assert order in orders
    assert found.exact
    assert found.peak == peak_of(graph, order) == min(peak_of(graph, o) for o in orders)
    assert found.given_peak == peak_of(graph, list(graph.operators))


@pytest.mark.parametrize("seed", range(60))
def test_branching_graphs_of_nine_operators(seed: int) -> None:
    graph = branching(random.Random(seed), 9)
    found = best_order(graph)
    assert found.exact
    assert found.peak == min(peak_of(graph, order) for order in all_orders(graph))


@pytest.mark.parametrize(("width", "length", "seeds"), [(2, 4, 60), (3, 4, 40), (2, 12, 240)])
def test_parallel_chains(width: int, length: int, seeds: int) -> None:
    for seed in range(seeds):
        graph = parallel(random.Random(seed), width, length, ends=30, valleys=25)
        found = best_order(graph)
        assert found.exact
        assert found.peak == least_peak(graph), seed


# Seeds 0 and 46 need more than 100,000.
@pytest.mark.parametrize("seed", [0, 3, 9, 46])
def test_eight_chains_of_twelve_need_few_sets(seed: int) -> None:
    """Of the 13 ** 8 sets there are; benchmarks/schedules.py times them."""
    found = best_order(parallel(random.Random(seed), 8, 12), states=150_000)
    assert found.exact and found.peak < found.given_peak


def test_a_hundred_operators_that_read_what_they_like() -> None:
    for seed in range(5):
        found = best_order(branching(random.Random(seed), 100))
        assert found.exact and found.peak <= found.given_peak


@pytest.mark.parametrize("seed", range(8))
def test_beam_search_is_never_worse_than_the_order_given(seed: int) -> None:
    graph = parallel(random.Random(seed), 8, 12)
    found = best_order(graph, states=10, beam=4)
    assert sorted(found.names) == sorted(op.name for op in graph.operators)
    best = best_order(graph)
    assert best.peak <= found.peak <= found.given_peak
    if not found.exact:
        assert best.exact
    # Seeds 1, 4 and 6 need no search: what the beam finds there is the optimum.
    assert found.peak <= 1.15 * best.peak


def test_an_order_that_is_best_already_stays() -> None:
    operators = [Operator("a", ("x",), ("u",)), Operator("b", ("x",), ("v",))]
    operators.append(Operator("c", ("u", "v"), ("y",)))
    graph = OperatorGraph(tuple(operators), dict.fromkeys("xuvy", 8), ("x",), ("y",))
    assert best_order(graph).names == ("a", "b", "c")


Q = Quantisation(0.5, 3)


def two_branches() -> Network:
    """Two branches that swell and shrink, and are opened before either is closed."""

    def tensor(name: str, *shape: int) -> Tensor:
        return Tensor(name, shape, "int8", Q)

    bias = Tensor("k", (1, 16, 4, 4), "int8", Q, np.arange(256, dtype=np.int8).reshape(1, 16, 4, 4))
    tensors = [bias, tensor("x", 1, 1, 4, 4), tensor("y", 1, 16), tensor("r", 1, 16)]
    tensors += [tensor(n, 1, 16, 4, 4) for n in ("a", "c")]
    tensors += [tensor(n, 1, 16) for n in ("b", "d")]
    layers = (
        Add("open_a", ("x", "k"), "a"),
        Add("open_c", ("k", "x"), "c"),
        Mean("close_a", ("a",), "b", (2, 3)),
        Mean("close_c", ("c",), "d", (2, 3)),
        Reshape("same", ("d",), "r"),
        Add("sum", ("b", "r"), "y"),
    )
    return verify(Network("net", "tflite", {t.name: t for t in tensors}, layers, ("x",), ("y",)))


def test_a_network_gets_the_order_that_needs_less() -> None:
    network = two_branches()
    better = reordered(network)
    at = {layer.name: i for i, layer in enumerate(better.layers)}
    assert at["close_a"] < at["open_c"] or at["close_c"] < at["open_a"]
    before, after = plan_memory(network, {}), plan_memory(better, {})
    assert (before.arena_bytes, after.arena_bytes) == (528, 288)
    x = {"x": np.arange(16, dtype=np.int8).reshape(1, 1, 4, 4)}
    assert np.array_equal(run_reference(network, x)["y"], run_reference(verify(better), x)["y"])
    assert reordered(better) is better


def test_views_are_one_value_and_keep_their_readers_behind() -> None:
    graph = operator_graph(two_branches())
    same, last = graph.operators[4:]
    assert same.reads == same.writes == ("d",)
    assert last.reads == ("b", "d") and "same" in last.after
    assert "k" not in graph.sizes and "r" not in graph.sizes
