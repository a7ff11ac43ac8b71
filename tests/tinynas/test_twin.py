# SPDX-License-Identifier: Apache-2.0
"""The twin of the planner, against compiles."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.tinynas.exported import exported
from tests.tinynas.spaces import SPACES, drawn
from tinyengine_tvm import rewrites
from tinyengine_tvm.api import compile_network
from tinyengine_tvm.importers import import_network
from tinyengine_tvm.network import Network
from tinynas.hardware import Twin, network_of
from tinynas.space import Architecture, Block

THOROUGH = os.environ.get("TINYENGINE_THOROUGH") == "1"
CASES = [
    (space, core, {"cortex-m4": 70, "cortex-m55": 40, "cortex-m0plus": 30}[core] if THOROUGH else n)
    for space in SPACES
    for core, n in (("cortex-m4", 7), ("cortex-m55", 4), ("cortex-m0plus", 3))
]
"""700 networks in all where there's time."""


def shapes(network: Network) -> list[tuple[object, ...]]:
    """What a network is, without names and numbers."""
    return [
        (
            layer.op,
            *(network.tensor(name).shape for name in (*layer.inputs, layer.output)),
            *(getattr(layer, field, None) for field in ("stride", "padding", "clamp", "axes")),
            getattr(layer, "permutation", None),
            getattr(layer, "weight", np.zeros(0)).shape,
            getattr(layer, "weight_scale", np.zeros(0)).shape,
            # A relu's output begins with its zero point.
            *(network.tensor(name).zero_point == -128 for name in layer.inputs),
        )
        for layer in network.layers
    ]


@pytest.mark.parametrize("space", SPACES)
def test_the_network_is_what_an_import_gives(space: str, tmp_path: Path) -> None:
    for index, architecture in enumerate(drawn(space, 2, seed=3)):
        path = tmp_path / f"{index}.onnx"
        path.write_bytes(exported(architecture))
        imported = import_network(path, name="net", interface="int8")
        # Random weights may leave channels that never change.
        own = rewrites.apply(imported, {"dead_channels"})
        assert shapes(network_of(architecture)) == shapes(own)
        assert network_of(architecture).mode == own.mode


@pytest.mark.parametrize("space", SPACES)
def test_rewrites_have_nothing_left_to_do(space: str) -> None:
    for architecture in drawn(space, 4):
        network = network_of(architecture)
        rewritten = rewrites.apply(network)
        assert [layer.name for layer in rewritten.layers] == [s.name for s in network.layers]
        assert shapes(rewritten) == shapes(network)


@pytest.mark.parametrize(("space", "core", "count"), CASES)
def test_the_twin_is_what_the_compiler_does(space: str, core: str, count: int) -> None:
    twin = Twin(core)
    for architecture in drawn(space, count, seed=11):
        artifact = compile_network(network_of(architecture), target=core)
        costs, chosen = twin.explain(architecture)
        facts = artifact.metadata
        assert costs.arena == facts["arena_bytes"], architecture
        assert costs.weights == sum(constant["bytes"] for constant in facts["constants"])
        assert [(c.layer, c.kernel, dict(c.configuration)) for c in chosen] == [
            (layer["name"], layer["kernel"], layer["configuration"]) for layer in facts["layers"]
        ]
        assert costs.macs == architecture.macs == sum(layer["macs"] for layer in facts["layers"])


def test_what_was_judged_before_changes_nothing() -> None:
    first, second = drawn("grey", 8), drawn("grey", 8, seed=1)
    used, fresh = Twin(), Twin()
    for architecture in first:
        used.judge(architecture)
    assert [used.judge(a) for a in second] == [fresh.judge(a) for a in reversed(second)][::-1]


def test_fusion_is_the_compilers() -> None:
    blocks = (Block(3, 16, 8), Block(3, 48, 16, 2))
    architecture = Architecture((3, 40, 40), 16, 3, 2, blocks, 0, 10)
    twin = Twin()
    whole = twin.judge(architecture)
    sram = whole.sram * 2 // 3
    fused = twin.judge(architecture, sram, fusion=True)
    facts = compile_network(network_of(architecture), sram=sram).metadata
    assert fused.arena == facts["arena_bytes"] <= sram < whole.arena
    assert fused.weights == sum(constant["bytes"] for constant in facts["constants"])
    assert twin.judge(architecture, sram) == whole
    assert twin.judge(architecture, whole.sram, fusion=True) == whole
    assert twin.judge(architecture, 100, fusion=True) == whole
