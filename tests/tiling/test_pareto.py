# SPDX-License-Identifier: Apache-2.0
"""The curve: plans that no other one beats, as they are compiled, in all its forms."""

from __future__ import annotations

import itertools
import json
import xml.etree.ElementTree as ET

import pytest

from tests.tiling.networks import mcunet_like
from tinyengine_tvm.api import compile_network, pareto_curve
from tinyengine_tvm.cli import pareto as cli_pareto
from tinyengine_tvm.cli.app import app
from tinyengine_tvm.network.macs import network_macs
from tinyengine_tvm.report import Point, pareto_json, pareto_scene


@pytest.fixture(scope="module")
def network():
    return mcunet_like(32)


@pytest.fixture(scope="module")
def points(network):
    return pareto_curve(network, target="host")


def test_no_plan_beats_another(network, points):
    for streamed in (False, True):
        group = [point for point in points if point.streamed == streamed]
        assert len(group) >= 3
        for larger, smaller in itertools.pairwise(group):
            assert larger.arena > smaller.arena
            assert larger.extra_instructions < smaller.extra_instructions
        assert all(point.mac_factor == point.macs / network_macs(network) for point in group)
    held = [point for point in points if not point.streamed]
    assert held[0].regions == () and held[0].mac_factor == 1.0
    assert all(point.regions for point in points if point is not held[0])


def test_every_point_can_be_compiled(network, points):
    for point in points[:: max(1, len(points) // 4)]:
        artifact = compile_network(
            network, target="host", sram=point.arena, stream_input=point.streamed
        )
        assert artifact.metadata["arena_bytes"] <= point.arena


def test_picture_and_data(points):
    document = pareto_json("net", "host", points)
    assert json.loads(json.dumps(document))["points"][0]["arena"] == points[0].arena
    root = ET.fromstring(pareto_scene("a <net>", "host", points).svg())
    titles = [node.text for node in root.iter("{http://www.w3.org/2000/svg}title")]
    for point in points:
        assert f"{point.arena:,} bytes, {point.mac_factor:.3f} x MACs" in titles


def test_command(monkeypatch, tmp_path):
    from typer.testing import CliRunner

    found = [
        Point(False, 40_000, 1_000, 1.0, 0, ()),
        Point(True, 9_000, 1_100, 1.1, 700, ("a to b",), 2_345),
    ]
    calls = []
    monkeypatch.setattr(
        "tinyengine_tvm.api.pareto_curve", lambda *a, **k: calls.append((a, k)) or found
    )
    model = tmp_path / "m.tflite"
    model.write_bytes(b"x")
    folder = tmp_path / "curve"
    result = CliRunner().invoke(
        app, ["pareto", str(model), "-o", str(folder), "--target", "cortex-m7", "--board", "b"]
    )
    assert result.exit_code == 0, result.output
    assert "40,000" in result.output and "2,345" in result.output and "a to b" in result.output
    assert json.loads((folder / "pareto.json").read_text())["target"] == "cortex-m7"
    assert (folder / "pareto.svg").read_text().startswith("<svg")
    options = {"target": "cortex-m7", "interface": "keep", "disabled_rewrites": (), "board": "b"}
    assert calls == [((model,), options)]
    assert cli_pareto.pareto.__doc__
