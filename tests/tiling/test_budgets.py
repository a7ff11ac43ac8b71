# SPDX-License-Identifier: Apache-2.0
"""Budgets: sizes as people write them, plans that fit, and errors that help."""

from __future__ import annotations

import re

import pytest

from tests.networks import generated, small_network
from tests.onnx_models import save
from tests.tiling.networks import mcunet_like
from tinyengine_tvm.api import compile_model, compile_network
from tinyengine_tvm.budget import parse_size
from tinyengine_tvm.errors import BudgetError, TinyEngineError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("34000", 34_000),
        ("34,000", 34_000),
        ("34kB", 34_000),
        ("34 kb", 34_000),
        ("32KiB", 32_768),
        ("0.5MiB", 524_288),
        ("1MB", 1_000_000),
        ("100B", 100),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "-5", "kB", "12 parsecs", "1e5", "0.1", "1.2.3kB"])
def test_what_is_no_size(text):
    with pytest.raises(TinyEngineError, match="is no size; write bytes"):
        parse_size(text)


@pytest.fixture(scope="module")
def network():
    return mcunet_like(48)


def test_a_budget_that_whole_layers_meet_changes_nothing(network):
    free = compile_network(network, target="host")
    assert generated(compile_network(network, target="host", sram=10**6)) == generated(free)


def test_smaller_budgets_are_met_until_none_can_be(network):
    whole = compile_network(network, target="host").metadata["arena_bytes"]
    least = compile_network(network, target="host", optimise="sram", mac_factor=10).metadata[
        "arena_bytes"
    ]
    assert least < whole / 2
    for budget in (whole - 1, (whole + least) // 2, least):
        fitted = compile_network(network, target="host", sram=budget)
        assert fitted.metadata["arena_bytes"] <= budget
    with pytest.raises(BudgetError) as caught:
        compile_network(network, target="host", sram=2_000)
    message = str(caught.value)
    found = re.fullmatch(
        r"no plan fits 2,000 bytes of SRAM: the smallest found takes ([\d,]+), ([\d,]+) too many, "
        r"at \w+ '.+'; with the input streamed ([\d,]+)",
        message,
    )
    assert found, message
    smallest, missing, streamed = (int(text.replace(",", "")) for text in found.groups())
    assert smallest - missing == 2_000
    assert streamed < smallest <= least


def test_a_flash_budget(network):
    with pytest.raises(BudgetError, match=r"no plan fits 1,000 bytes of flash: .* of constants"):
        compile_network(network, target="cortex-m4", flash=1_000)
    assert compile_network(network, target="cortex-m4", flash=10**7).metadata["layers"]


@pytest.mark.parametrize("options", [{"sram": 0}, {"flash": -1}, {"mac_factor": 0.5}])
def test_senseless_budgets(options):
    with pytest.raises(TinyEngineError, match="give"):
        compile_network(small_network(), target="host", **options)


def test_a_network_with_two_outputs_is_never_cut_and_says_what_it_needs(tmp_path):
    path = save("two_outputs", tmp_path)
    whole = compile_model(path).report["memory"]["arena_bytes"]
    assert compile_model(path, optimise="sram").report["memory"]["arena_bytes"] == whole
    with pytest.raises(BudgetError, match=f"the smallest found takes {whole:,}"):
        compile_model(path, sram=whole // 2)
