# SPDX-License-Identifier: Apache-2.0
"""The facts of a compiled network: what its folder holds, and what was measured."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ..arena import ArenaMap
from ..pareto import Point

LARGEST = 6
"""Constants that are told one by one."""
NEAR = 0.9
"""Layers with this share of the peak's bytes are near it."""


def compiled_facts(
    metadata: Mapping[str, Any],
    report: Mapping[str, Any],
    profile: Mapping[str, Any] | None = None,
    *,
    sram: int | None = None,
    flash: int | None = None,
    plans: Sequence[Point] | None = None,
) -> dict[str, Any]:
    """All that a report says of a compiled network, as JSON.

    `metadata`, `report`: the content of metadata.json and report.json. `profile`: what
    `Profile.to_json` gives. `sram`, `flash`: budgets in bytes; by default those it was compiled
    with. `plans`: what less SRAM costs.

    Raises:
        KeyError, TypeError: the files are of another version.
    """
    arena = ArenaMap.of(metadata, report)
    options = report.get("options", {})
    measured = {layer["name"]: layer for layer in (profile or {}).get("layers", ())}
    layers = [_layer(layer, measured.get(layer["name"], {})) for layer in metadata["layers"]]
    budget = {
        "sram": options.get("sram") if sram is None else sram,
        "flash": options.get("flash") if flash is None else flash,
    }
    constants = sorted(metadata["constants"], key=lambda c: (-c["bytes"], c["symbol"]))
    return {
        "kind": "compiled",
        "name": report["name"],
        "target": report["target"],
        "mode": report["mode"],
        "version": metadata["version"],
        "model": {"file": options.get("model"), "sha256": metadata["model_sha256"]},
        "options": options,
        "commands": commands(metadata, options, profile),
        "inputs": metadata["inputs"],
        "outputs": metadata["outputs"],
        "operators": report["operators"],
        "layer_count": len(layers),
        "macs": report["macs"],
        "constant_bytes": report["constant_bytes"],
        "memory": arena.to_json(),
        "around_peak": _around(arena),
        "usage": _usage(arena, report, profile, budget),
        "constants": constants[:LARGEST],
        "profile": profile and {k: v for k, v in profile.items() if k != "layers"},
        "layers": layers,
        "plans": None if plans is None else [_plan(p, arena.arena_bytes, options) for p in plans],
    }


def _layer(layer: Mapping[str, Any], measured: Mapping[str, Any]) -> dict[str, Any]:
    macs, instructions = layer["macs"], measured.get("instructions")
    known = instructions is not None and macs
    return {
        "name": layer["name"],
        "operator": layer["op"],
        "kernel": layer["kernel"],
        "inputs": layer.get("inputs", []),
        "output": layer.get("output", layer["name"]),
        "output_shape": layer["output_shape"],
        **{key: layer[key] for key in ("window", "stride", "body", "operators") if key in layer},
        "macs": macs,
        "instructions": instructions,
        "cycles": measured.get("cycles"),
        "instructions_per_mac": round(instructions / macs, 4) if known else None,
        "live_bytes": layer["arena_live"],
        "scratch_bytes": layer["scratch_bytes"],
    }


def _around(arena: ArenaMap) -> dict[str, Any]:
    """What stands next to the peak: how much less it could be if that layer alone took less."""
    peak = arena.peak
    others = [i for i in range(len(arena.live)) if i != peak]
    second = max(others, key=arena.live.__getitem__, default=None)
    held = {b.kind: 0 for b in arena.boxes}
    for box in arena.at(peak):
        held[box.kind] += box.bytes
    near = [i for i in others if arena.live[i] >= NEAR * arena.live[peak]]
    return {
        "second": None
        if second is None
        else {"layer": arena.layers[second][0], "live_bytes": arena.live[second]},
        "gain_bytes": 0 if second is None else arena.live[peak] - arena.live[second],
        "near": [arena.layers[i][0] for i in near],
        "near_count": len(near),
        "near_share": NEAR,
        "held": held,
    }


def _usage(
    arena: ArenaMap,
    report: Mapping[str, Any],
    profile: Mapping[str, Any] | None,
    budget: Mapping[str, int | None],
) -> dict[str, Any]:
    """Bytes of SRAM and flash in parts; what counts against the budget, and what is left of it.

    The stack is its caller's too, so that it doesn't count.
    """
    sram: dict[str, int] = {"arena": arena.arena_bytes}
    flash: dict[str, int] = {"weights": report["constant_bytes"]}
    if profile is not None:
        sram |= {"static": profile["sram"]["static"], "stack": profile["sram"]["stack"]}
        flash = {"weights": profile["flash"]["weights"], "code": profile["flash"]["code"]}

    def usage(parts: dict[str, int], limit: int | None) -> dict[str, Any]:
        counted = sum(size for name, size in parts.items() if name != "stack")
        return {
            "parts": parts,
            "counted": counted,
            "total": sum(parts.values()),
            "limit": limit,
            "left": None if limit is None else limit - counted,
        }

    return {"sram": usage(sram, budget["sram"]), "flash": usage(flash, budget["flash"])}


def _plan(point: Point, arena: int, options: Mapping[str, Any]) -> dict[str, Any]:
    extra = "--stream-input" if point.streamed else ""
    factor = "" if point.mac_factor <= 1.15 else f"--mac-factor {point.mac_factor + 0.001:.3f}"
    command = " ".join(part for part in (f"--sram {point.arena}", extra, factor) if part)
    return {
        "arena_bytes": point.arena,
        "saved_bytes": arena - point.arena,
        "streamed": point.streamed,
        "mac_factor": round(point.mac_factor, 4),
        "extra_instructions": point.extra_instructions,
        "instructions": point.instructions,
        "regions": list(point.regions),
        "options": command,
    }


def commands(
    metadata: Mapping[str, Any], options: Mapping[str, Any], profile: Mapping[str, Any] | None
) -> list[str]:
    """The commands that give the same again; none for a network that came from no file."""
    if not options.get("model"):
        return []
    folder = f"build/{metadata['name']}"
    line = ["tinyengine", "compile", options["model"], "-o", folder]
    line += ["--target", metadata["target"], "--name", metadata["name"]]
    for option, default in (("interface", "keep"), ("optimise", "speed")):
        if options.get(option, default) != default:
            line += [f"--{option}", options[option]]
    for option in ("sram", "flash", "records"):
        if options.get(option) is not None:
            line += [f"--{option}", str(options[option])]
    if options.get("mac_factor", 1.15) != 1.15:
        line += ["--mac-factor", f"{options['mac_factor']:g}"]
    for option in ("stream_input", "allow_slow"):
        if options.get(option):
            line.append(f"--{option.replace('_', '-')}")
    for rewrite in options.get("disabled_rewrites", ()):
        line += ["--no-rewrite", rewrite]
    shapes = options.get("input_shapes") or {}
    if shapes:
        text = ",".join(f"{n}:[{','.join(map(str, s))}]" for n, s in shapes.items())
        line += ["--input-shapes", text]
    board = [] if profile is None else ["--board", profile["board"]]
    again = ["tinyengine", "report", folder, *board, "-o", f"{folder}.html"]
    return [shlex.join(line), shlex.join(again)]
