# SPDX-License-Identifier: Apache-2.0
"""Small subjects for reports: a profile, a comparison, a tuning and a search."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from tests.cli.conftest import artifact
from tinyengine_tvm.artifact import Artifact
from tinyengine_tvm.report import Point
from tinyengine_tvm.report.page import compiled_facts


def profile_of(made: Artifact) -> dict[str, Any]:
    """A profile with made-up counts, each another one."""
    layers = [
        {
            "name": layer["name"],
            "op": layer["op"],
            "instructions": 1000 + 17 * i,
            "macs": layer["macs"],
            "arena_live": layer["arena_live"],
            "cycles": 2000 + 13 * i,
        }
        for i, layer in enumerate(made.metadata["layers"])
    ]
    instructions = sum(layer["instructions"] for layer in layers)
    macs = made.report["macs"]
    return {
        "board": "mps2-an386",
        "target": "cortex-m4",
        "instructions": instructions,
        "macs": macs,
        "instructions_per_mac": round(instructions / macs, 4),
        "cycles": 54321,
        "sram": {"arena": made.metadata["arena_bytes"], "static": 12, "stack": 345},
        "flash": {"weights": made.report["constant_bytes"], "code": 6789},
        "layers": layers,
        "note": None,
        "cycles_note": None,
    }


@cache
def small() -> Artifact:
    """The small network for a Cortex-M4. Not to be changed."""
    return artifact("cortex-m4")


def compiled(**options: Any) -> dict[str, Any]:
    """Facts of the small network, profiled, within budgets, with two plans."""
    made = small()
    arena = made.metadata["arena_bytes"]
    plans = [
        Point(False, arena, 1000, 1.0, 0, ()),
        Point(False, arena - 32, 1000, 1.0, 777, ("a to b",)),
        Point(True, arena - 64, 1300, 1.3, 1234, ("a to b",)),
    ]
    given = {"profile": profile_of(made), "sram": 4000, "flash": 9000, "plans": plans} | options
    return compiled_facts(made.metadata, made.report, **given)


def bench() -> dict[str, Any]:
    """As bench.json."""

    def row(engine: str, instructions: int, **more: Any) -> dict[str, Any]:
        return {
            "engine": engine,
            "model": "vww",
            "board": "mps2-an386",
            "core": "cortex-m4",
            "source": "recorded",
            "macs": 1000,
            "instructions": instructions,
            "cycles": None,
            "sram_bytes": instructions // 7,
            "stack_bytes": 500,
            "weights_flash_bytes": 2000,
            "code_flash_bytes": instructions // 5,
            "outputs": None,
            "layers": None,
            **more,
        }

    layer = {
        "name": "conv/0",
        "operator": "conv2d",
        "macs": 900,
        "instructions": 901,
        "cycles": 1102,
    }
    return {
        "kind": "bench",
        "command": "tinyengine bench vww.tflite",
        "versions": {"tflite/micro": "1.2", "gcc": "12"},
        "boards": ["mps2-an386"],
        "rows": [
            row(
                "tinyengine-tvm",
                1234,
                source="measured",
                cycles=2345,
                outputs={"compared_with": "the reference", "equal": True},
                layers=[layer],
            ),
            row("another engine", 5678, note="without softmax"),
            # On this machine only the arena is known.
            row("a reference", 0, board="host", code_flash_bytes=None) | {"instructions": None},
        ],
        "absent": [{"engine": "a third", "reason": "not installed"}],
    }


WORKLOAD = {
    "op": "conv2d",
    "inputs": [[1, 8, 8, 4]],
    "output": [1, 8, 8, 8],
    "weight": [8, 3, 3, 4],
}


def tune_document() -> dict[str, Any]:
    """As `tinyengine tune --json` prints it."""
    load = {
        "workload": "00ff",
        "facts": WORKLOAD,
        "layers": 2,
        "candidates": 30,
        "trials": 9,
        "failed": 1,
        "default": 4000,
        "best": 3000,
        "configuration": {"unroll": 4, "routine": "whole"},
    }
    failed = load | {"default": None, "best": None, "facts": WORKLOAD | {"op": "add"}}
    return {
        "kind": "tune",
        "objective": "cycles",
        "board": "mps2-an386",
        "records": "net.jsonl",
        "default": 8000,
        "best": 6000,
        "measured": 9,
        "seconds": 12.5,
        "interrupted": True,
        "workloads": [load, failed],
    }


def tune_records() -> str:
    """As the file of its records, its last line torn."""
    lines = [
        {
            "v": 1,
            "workload": "00ff",
            "facts": WORKLOAD,
            "target": "cortex-m4",
            "core": "cortex-m4",
            "kernel": "k",
            "configuration": {"unroll": i},
            "status": "crash" if i == 2 else "ok",
            "instructions": cycles,
            "cycles": cycles + 1,
        }
        for i, cycles in enumerate((900, 950, 700, 800, 810))
    ]
    return "\n".join(map(json.dumps, lines)) + '\n{"v": 1, "work'


def search_folder(folder: Path, finished: bool = True) -> Path:
    """As tinynas leaves it."""
    architecture = {
        "input": [1, 28, 28],
        "stem_width": 8,
        "stem_kernel": 3,
        "stem_stride": 2,
        "blocks": [{"kernel": 5, "expanded": 24, "width": 16, "stride": 2, "squeeze": 0}],
        "head": 0,
        "classes": 10,
    }
    costs = {"sram": 3000, "flash": 20000, "macs": 123456}
    candidate = {"width": 0.5, "resolution": 28, "draws": 40, "fitting": 30, "mean": 50000.5}
    candidate["quantiles"] = [100 * i for i in range(21)]
    files: dict[str, Any] = {
        "settings": {
            "task": "fashion-mnist",
            "target": "cortex-m4",
            "sram": "32kB",
            "flash": "9kB",
        },
        "space": {
            "choice": {
                "budget": {"sram": 32000, "flash": 9000, "cycles": None},
                "candidates": [candidate],
            }
        },
        "evolve": {
            "winner": {"architecture": architecture},
            "budget": {"sram": 32000, "flash": 9000, "cycles": None},
            "judged": 678,
            "measured": 45,
            "correlations": [0.875, 0.9125],
            "best": [{"score": {"accuracy": 0.9021}, "costs": costs}],
        },
    }
    if finished:
        device = {
            "board": "mps2-an386",
            "samples": 300,
            "agreement": 0.99667,
            "arena": 5000,
            "static": 8,
            "stack": 600,
            "weights": 7000,
            "code": 3001,
            "sram": 5008,
            "flash": 10001,
            "instructions": 1512366,
            "cycles": 2220460.0,
            "macs": 123456,
            "missing": ["flash: 1,001 bytes over 9,000"],
        }
        run = {
            "seed": 0,
            "architecture": architecture,
            "validation": {"float": 0.91234, "int8": 0.9111},
            "test": {"float": 0.9055, "int8": 0.9044, "device": 0.9033},
            "quantisation_aware": False,
            "device": device,
            "options": {
                "recipe": {"epochs": 15},
                "teaching": {"kind": "largest", "count": 2, "recipe": {"epochs": 7}},
                "erase": 0.25,
                "refit": False,
            },
        }
        files["finish"] = {
            "runs": [run],
            "chosen": 0,
            "mean": 0.9033,
            "spread": 0.0,
            "model": "finish/seed0/net.onnx",
        }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder
