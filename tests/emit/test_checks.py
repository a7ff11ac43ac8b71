# SPDX-License-Identifier: Apache-2.0
"""The checks of `compile --check`: silent on our networks, and loud about planted faults."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.networks import small_network
from tinyengine_tvm import compile_network
from tinyengine_tvm.artifact import Artifact
from tinyengine_tvm.emit.checks import GUARD, complement, merged, step_checks
from tinyengine_tvm.errors import BoardError
from tinyengine_tvm.importers import import_network
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.memory import plan_memory
from tinyengine_tvm.network import Add, Clip, Network, Quantisation, Tensor, verify
from tinyengine_tvm.rewrites import REWRITES

MODELS = ("ad01_int8", "kws_ref_model", "mcunet_vww", "pretrainedResnet_quant", "vww_96_int8")
BOARDS = {
    "host": "host",
    "mps2-an386": "cortex-m4",
    "mps3-an547": "cortex-m55",
}


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("model", MODELS)
def test_real_models(shared_dir, model: str, board: str) -> None:
    golden = np.load(shared_dir / "golden" / f"{model}.npz")
    network = import_network(shared_dir / "models" / f"{model}.tflite", name="net")
    artifact = compile_network(network, target=BOARDS[board], check=True)
    assert artifact.report["checked"] is True
    (result,) = artifact.run(board, golden["inputs"][:2]).values()
    np.testing.assert_array_equal(result, golden["outputs"][:2])


def residual() -> Network:
    """x -> a -> b -> c, c + a -> y, and a is an output as well."""
    q = Quantisation(0.5, 3)
    tensors = {name: Tensor(name, (1, 5, 5, 3), "int8", q) for name in "xabcy"}
    layers = (
        Clip("one", ("x",), "a", (-100, 100)),
        Clip("two", ("a",), "b", (-90, 90)),
        Clip("three", ("b",), "c", (-80, 80)),
        Add("sum", ("c", "a"), "y"),
    )
    return verify(Network("net", "tflite", tensors, layers, ("x",), ("a", "y")))


def as_it_is(network: Network) -> Artifact:
    """The network compiled with checks, and without any rewrite."""
    return compile_network(network, target="host", check=True, disabled_rewrites=REWRITES)


@pytest.mark.parametrize("board", ["host", "mps2-an386"])
@pytest.mark.parametrize("mode", ["tflite", "onnx"])
def test_small_networks(mode, board: str) -> None:
    network = small_network(mode)
    artifact = compile_network(network, target=BOARDS[board], check=True)
    x = np.random.default_rng(3).integers(-128, 128, (4, 1, 9, 7, 5)).astype(np.int8)
    (result,) = artifact.run(board, x).values()
    expected = [run_reference(network, {"image": sample})["scores"] for sample in x]
    np.testing.assert_array_equal(result, np.stack(expected))


def test_outputs_of_early_layers_are_kept() -> None:
    network = residual()
    artifact = as_it_is(network)
    x = np.arange(75, dtype=np.int8).reshape(1, 5, 5, 3)
    results = artifact.run("host", x)
    for name, value in run_reference(network, {"x": x}).items():
        np.testing.assert_array_equal(results[name][0], value)


def test_the_checked_file_differs_only_by_checks() -> None:
    plain = compile_network(small_network(), target="host").files["model.c"].decode()
    checked = compile_network(small_network(), target="host", check=True).files["model.c"].decode()
    assert "te_check" not in plain
    assert checked.count("te_check_before(") == 5 and checked.count("te_check_after(") == 5


def broken(network: Network, pattern: str, replacement: str) -> Artifact:
    """The network compiled with checks, and one place of its code edited."""
    artifact = as_it_is(network)
    text = artifact.files["model.c"].decode()
    edited, count = re.subn(pattern, replacement, text, count=1, flags=re.DOTALL)
    assert count == 1, text
    artifact.files["model.c"] = edited.encode()
    return artifact


@pytest.mark.parametrize(
    ("layer", "write"),
    [
        # Before and after the arena, and over what a later layer reads.
        (0, "te_check_guarded.before[31] = 1;"),
        (2, "te_check_guarded.after[0] = 1;"),
        (1, "*(uint8_t *)outputs->a += 1;"),
        (2, "*(uint8_t *)outputs->a += 1;"),
    ],
)
def test_damage_is_found_at_its_layer(layer: int, write: str) -> None:
    begin = rf"(/\* {['one', 'two', 'three', 'sum'][layer]}: .*?)(if \(!te_check_after)"
    artifact = broken(residual(), begin, rf"\1{write}\n    \2")
    with pytest.raises(BoardError, match=rf"the arena was damaged by layer {layer}\b"):
        artifact.run("host", np.zeros((1, 5, 5, 3), np.int8))


def test_what_a_dead_tensor_held_is_gone() -> None:
    """The third layer is made to read the network's input, which plain code would still find."""
    network = residual()
    change = r"(te_clip_s8\w*\()(TE_ARENA\(\d+\))(, 75, -80)"
    x = np.full((1, 5, 5, 3), 7, np.int8)
    good = as_it_is(network).run("host", x)["y"]
    stale = broken(network, change, r"\1inputs->x\3").run("host", x)["y"]
    assert len(np.unique(good)) == 1 < len(np.unique(stale))


def test_ranges() -> None:
    assert merged([(4, 8), (0, 2), (7, 9), (9, 12)]) == [(0, 2), (4, 12)]
    assert complement([(0, 2), (4, 12)], -3, 14) == [(-3, 0), (2, 4), (12, 14)]
    assert complement([], 0, 5) == [(0, 5)]


def test_the_ranges_of_a_plan() -> None:
    network = residual()
    plan = plan_memory(network, {"two": 8})
    size = plan.arena_bytes
    for step, (found, layer) in enumerate(
        zip(step_checks(network, plan), network.layers, strict=True)
    ):
        guarded = {byte for low, high in found.guard for byte in range(low, high)}
        poisoned = {byte for low, high in found.poison for byte in range(low, high)}
        kept = {byte for low, high in found.keep for byte in range(low, high)}
        assert guarded <= poisoned and not kept & poisoned
        assert {*range(-GUARD, 0), *range(size, size + GUARD)} <= guarded

        def place(name: str) -> set[int]:
            return set(range(plan.offset_of(name), plan.offset_of(name) + 75))

        for name in layer.inputs:
            assert not place(name) & poisoned
        assert place(layer.output) <= poisoned and not place(layer.output) & guarded
        assert kept == (set(), place("a"), place("a"), place("a"))[step]
