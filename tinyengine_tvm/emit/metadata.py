# SPDX-License-Identifier: Apache-2.0
"""metadata.json and report.json: facts about a compiled network, for tools and for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..kernels.registry import Selected
from ..memory import MemoryPlan
from ..network import External, Fused, Layer, Lookup, Network
from ..network.macs import layer_macs, network_macs
from ..targets import Target
from .interface import Port, ports
from .source import Source, operand_names

FORMAT = 1
_TOLD = ("name", "op", "operators", "function", "macs", "scratch_bytes")


def _port(port: Port) -> dict[str, Any]:
    quantised = port.tensor.dtype == "int8"
    rows = {"row_bytes": port.row_bytes} if port.streamed else {}
    return {
        "name": port.source,
        "field": port.field,
        "shape": list(port.tensor.shape),
        "dtype": port.tensor.dtype,
        "bytes": port.tensor.nbytes,
        "scale": port.tensor.scale if quantised else None,
        "zero_point": port.tensor.zero_point if quantised else None,
        **rows,
    }


def _operators(layer: Layer, source: Source) -> dict[str, Any]:
    """What a layer computes that TVM lowered: operators in TVM's words, and its C function."""
    if isinstance(layer, External):
        return {
            "operators": list(layer.operators),
            "function": source.functions[layer.name][0],
        }
    return {"operators": list(layer.operators)} if isinstance(layer, Lookup) else {}


def _window(layer: Layer) -> dict[str, Any]:
    """Height and width of the window of a convolution or pooling, and its steps."""
    kernel, stride = getattr(layer, "kernel", None), getattr(layer, "stride", None)
    if kernel is None or stride is None:
        return {}
    return {"window": list(kernel), "stride": list(stride)}


def _body(layer: Layer) -> dict[str, Any]:
    """The layers that are computed together in this one."""
    return {"body": [part.name for part in layer.body.layers]} if isinstance(layer, Fused) else {}


def metadata(
    network: Network,
    inputs: list[Port],
    selected: list[Selected],
    plan: MemoryPlan,
    source: Source,
    *,
    name: str,
    target: Target,
    version: str,
    model_sha256: str,
) -> dict[str, Any]:
    """The content of metadata.json, as docs/architecture.md describes it."""
    return {
        "format": FORMAT,
        "name": name,
        "target": target.name,
        "mode": network.mode,
        "version": version,
        "model_sha256": model_sha256,
        "arena_bytes": plan.arena_bytes,
        "arena_lower_bound": plan.lower_bound,
        "inputs": [_port(p) for p in inputs],
        "outputs": [_port(p) for p in ports(network, network.outputs)],
        "layers": [
            {
                "name": s.layer.name,
                "op": s.layer.op,
                "kernel": s.kernel.name,
                "configuration": dict(s.configuration),
                "macs": layer_macs(network, s.layer),
                "inputs": list(operand_names(s.layer)),
                "output": s.layer.output,
                "output_shape": list(network.output_of(s.layer).shape),
                "output_offset": plan.offset_of(s.layer.output),
                **_window(s.layer),
                **_body(s.layer),
                "scratch_bytes": s.kernel.scratch(network, s.layer, s.configuration),
                "arena_live": plan.live_bytes(s.layer.name),
                **_operators(s.layer, source),
            }
            for s in selected
        ],
        "constants": [{"symbol": symbol, "bytes": size} for symbol, size in source.constants],
    }


def report(
    network: Network,
    plan: MemoryPlan,
    facts: dict[str, Any],
    rewrites: list[str],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of report.json: totals, the memory plan, and what was rewritten."""
    layers = facts["layers"]
    peak = max(layers, key=lambda layer: layer["arena_live"])
    operators: dict[str, int] = {}
    for layer in layers:
        operators[layer["op"]] = operators.get(layer["op"], 0) + 1
    return {
        "format": FORMAT,
        "name": facts["name"],
        "target": facts["target"],
        "mode": network.mode,
        "options": dict(options),
        "macs": network_macs(network),
        "layers": len(layers),
        "operators": operators,
        "constant_bytes": sum(c["bytes"] for c in facts["constants"]),
        "memory": {
            "arena_bytes": plan.arena_bytes,
            "lower_bound": plan.lower_bound,
            "gap_bytes": plan.arena_bytes - plan.lower_bound,
            "method": plan.placement.method,
            "optimal": plan.placement.optimal,
            "peak_layer": peak["name"],
            "buffers": [
                {
                    "name": b.name,
                    "kind": kind,
                    "layer": layer,
                    "bytes": b.size,
                    "offset": plan.placement.offsets[b.name],
                    "first_layer": b.first,
                    "last_layer": b.last,
                }
                for b, kind, layer in plan.described(network)
            ],
        },
        "rewrites": rewrites,
        "fallback": {
            "operators": list(network.fallback),
            "layers": [
                {key: layer[key] for key in _TOLD if key in layer}
                for layer in layers
                if "operators" in layer
            ],
        },
    }
