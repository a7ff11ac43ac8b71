# SPDX-License-Identifier: Apache-2.0
"""A search of tinynas, from the JSON files of its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import TinyEngineError
from .charts import End, curve
from .content import (
    Block,
    Column,
    Commands,
    Meter,
    Paragraph,
    Pictures,
    Row,
    Section,
    Table,
    Tile,
    Tiles,
    Value,
    Words,
    words,
)
from .panels import network_picture, parts

SETTINGS = "settings.json"
CANDIDATES, CURVES = 8, 5


def search_facts(folder: Path) -> dict[str, Any]:
    """The facts of a search as far as it has come.

    Raises:
        TinyEngineError: the folder holds no search, or a file in it is damaged.
    """
    if not (folder / SETTINGS).is_file():
        raise TinyEngineError(f"'{folder}' holds no search of tinynas: {SETTINGS} is missing")
    found = {name: _read(folder / f"{name}.json") for name in ("space", "evolve", "finish")}
    settings = _read(folder / SETTINGS)
    assert settings is not None
    try:
        return _facts(settings, found["space"], found["evolve"], found["finish"])
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise TinyEngineError(
            f"a file in '{folder}' is damaged ({type(error).__name__}: {error}); delete it and "
            "let tinynas do its step again"
        ) from None


def compiled_folder(folder: Path) -> Path | None:
    """Where a finished search has its compiled network, if it kept one."""
    finish = _read(folder / "finish.json")
    if finish is None:
        return None
    place = (folder / str(finish.get("model", ""))).parent / "compiled"
    return place if place.is_dir() else None


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise TinyEngineError(f"'{path}' is damaged ({error})") from None


def _facts(
    settings: Mapping[str, Any],
    space: Mapping[str, Any] | None,
    evolve: Mapping[str, Any] | None,
    finish: Mapping[str, Any] | None,
) -> dict[str, Any]:
    run = None if finish is None else finish["runs"][finish["chosen"]]
    choice = (space or {}).get("choice")
    budget = (evolve or {}).get("budget") or (choice or {}).get("budget") or {}
    architecture = run["architecture"] if run else evolve and evolve["winner"]["architecture"]
    return {
        "kind": "search",
        "task": settings.get("task"),
        "target": settings.get("target") or "cortex-m4",
        "settings": dict(settings),
        "command": _command(settings, finish),
        "budget": {name: budget.get(name) for name in ("sram", "flash", "cycles")},
        "model": finish and finish["model"],
        "blocks": _blocks(architecture) if architecture else [],
        "runs": [] if finish is None else [_run(r) for r in finish["runs"]],
        "chosen": finish and finish["chosen"],
        "refit": run is not None and run["options"]["refit"],
        "mean": finish and finish["mean"],
        "spread": finish and finish["spread"],
        "device": run and _device(run["device"], budget),
        "search": evolve and _search(evolve),
        "spaces": choice and _spaces(choice),
    }


def _command(settings: Mapping[str, Any], finish: Mapping[str, Any] | None) -> str:
    """What searches the same again, unless single steps were given options of their own."""
    words_ = ["tinynas search"]
    for name in ("task", "data", "target", "sram", "flash", "latency", "seed", "supernet"):
        if settings.get(name) is not None:
            words_.append(f"--{name} {settings[name]}")
    for name, option in (("squeeze", "--squeeze-excite"), ("fusion", "--fusion")):
        words_ += [option] if settings.get(name) else []
    if finish is not None:
        options = finish["runs"][0]["options"]
        words_.append(f"--tune-epochs {options['recipe']['epochs']}")
        teaching = options["teaching"]
        words_.append(f"--teacher-kind {teaching['kind']} --teachers {teaching['count']}")
        words_.append(f"--teacher-epochs {teaching['recipe']['epochs']}")
        if options["erase"] is not None:
            words_.append(f"--erase {options['erase']:g}")
        words_.append(f"--seeds {len(finish['runs'])}")
        words_ += ["--refit"] if options["refit"] else []
    return " ".join([*words_, f"-o build/{settings.get('task') or 'search'}"])


def _run(run: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "seed": run["seed"],
        "validation": dict(run["validation"]),
        "test": dict(run["test"]),
        "quantisation_aware": run["quantisation_aware"],
    }


def _device(device: Mapping[str, Any], budget: Mapping[str, Any]) -> dict[str, Any]:
    left = {
        name: None if budget.get(name) is None else budget[name] - device[name]
        for name in ("sram", "flash", "cycles")
    }
    return {**device, "left": left}


def _blocks(architecture: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row per block: the size of the feature map that leaves it, and its depthwise window."""
    _, high, wide = architecture["input"]
    flat = high == 1

    def row(name: str, kernel: int, stride: int, channels: int, operator: str) -> dict[str, Any]:
        nonlocal high, wide
        high, wide = (1 if flat else -(-high // stride)), -(-wide // stride)
        return {
            "name": name,
            "operator": operator,
            "window": [1 if flat else kernel, kernel],
            "stride": [1 if flat else stride, stride],
            "output_shape": [1, high, wide, channels],
            "inputs": [],
            "output": name,
        }

    rows = [
        row(
            "stem",
            architecture["stem_kernel"],
            architecture["stem_stride"],
            architecture["stem_width"],
            "conv2d",
        )
    ]
    for index, block in enumerate(architecture["blocks"]):
        size = f"1x{block['kernel']}" if flat else "x".join(2 * [str(block["kernel"])])
        name = f"{index + 1}: {size}, {block['expanded']} inside"
        operator = "depthwise_conv2d"
        rows.append(row(name, block["kernel"], block["stride"], block["width"], operator))
    if architecture["head"]:
        rows.append(row("head", 1, 1, architecture["head"], "conv2d"))
    last = row("classifier", 1, 1, architecture["classes"], "dense")
    return [*rows, last | {"output_shape": [1, architecture["classes"]]}]


def _search(evolve: Mapping[str, Any]) -> dict[str, Any]:
    best = [
        {
            "accuracy": None if row["score"] is None else row["score"]["accuracy"],
            **{name: row["costs"][name] for name in ("sram", "flash", "macs")},
        }
        for row in evolve["best"][:CANDIDATES]
    ]
    return {
        "judged": evolve["judged"],
        "measured": evolve["measured"],
        "correlations": list(evolve["correlations"]),
        "best": best,
    }


def _spaces(choice: Mapping[str, Any]) -> dict[str, Any]:
    fitting = [c for c in choice["candidates"] if c["fitting"]][:CANDIDATES]
    return {
        "judged": len(choice["candidates"]),
        "most_macs": max((c["quantiles"][-1] for c in fitting), default=0),
        "whole": 1.0,
        "best": [
            {
                "name": f"width {c['width']:g}, resolution {c['resolution']}",
                "width": c["width"],
                "resolution": c["resolution"],
                "fitting": round(c["fitting"] / c["draws"], 4),
                "mean_macs": c["mean"],
                "quantiles": list(c["quantiles"]),
            }
            for c in fitting
        ],
    }


def search_title(facts: Mapping[str, Any]) -> str:
    return f"{facts['task'] or 'A search'} on {facts['target']}"


def search_subtitle(facts: Mapping[str, Any], at: str) -> Words:
    if facts["model"]:
        return words("the network that tinynas found: {model:text}", at)
    return ("a search of tinynas that isn't finished",)


def search_sections(facts: Mapping[str, Any], at: str) -> list[Section]:
    """Accuracy and budget, the network, and how it was found."""
    sections = []
    if facts["device"]:
        sections += [
            Section(("At a glance",), (_tiles(facts, at),)),
            Section(("The budget",), tuple(_budget(facts, at))),
            Section(("Accuracy",), tuple(_accuracy(facts, at))),
        ]
    if facts["blocks"]:
        rows = parts(len(facts["blocks"]))
        pictures = [
            replace(network_picture(facts["blocks"], r, -1, f"{at}/blocks"), title="Blocks")
            for r in rows
        ]
        sections.append(Section(("The network",), (Pictures(tuple(pictures)),)))
    if facts["search"]:
        sections.append(Section(("The search",), tuple(_found(facts, at))))
    if facts["spaces"] and facts["spaces"]["best"]:
        sections.append(Section(("The space",), tuple(_space(facts, at))))
    sections.append(Section(("To reproduce it",), (Commands((Value(f"{at}/command", "text"),)),)))
    return sections


def _tiles(facts: Mapping[str, Any], at: str) -> Tiles:
    chosen = facts["chosen"]
    note = words("{device/samples} test samples", at)
    return Tiles(
        (
            Tile(
                "right on the board", Value(f"{at}/runs/{chosen}/test/device", "percent"), note=note
            ),
            Tile("instructions", Value(f"{at}/device/instructions")),
            Tile("cycles, estimated", Value(f"{at}/device/cycles")),
            Tile(
                "bytes of SRAM",
                Value(f"{at}/device/sram"),
                note=words("and {device/stack} of stack", at),
            ),
            Tile("bytes of flash", Value(f"{at}/device/flash")),
        )
    )


def _budget(facts: Mapping[str, Any], at: str) -> list[Block]:
    blocks: list[Block] = []
    for name, label, split in (
        ("sram", "SRAM", ("arena", "static")),
        ("flash", "Flash", ("weights", "code")),
    ):
        limit = facts["budget"][name]
        left = facts["device"]["left"][name]
        note: Words = ()
        if limit is not None:
            note = words(f"{{device/left/{name}}} bytes are left.", at) if left >= 0 else ("Over.",)
        blocks.append(
            Meter(
                label,
                tuple((part, Value(f"{at}/device/{part}")) for part in split),
                Value(f"{at}/device/{name}"),
                None if limit is None else Value(f"{at}/budget/{name}"),
                note,
            )
        )
    blocks += [
        Paragraph(("Over the budget: ", *words(f"{{device/missing/{i}:text}}", at)))
        for i in range(len(facts["device"]["missing"]))
    ]
    return blocks


def _accuracy(facts: Mapping[str, Any], at: str) -> list[Block]:
    columns = (
        Column("seed", True),
        Column("validation, float", True),
        Column("int8", True),
        Column("test, float", True),
        Column("int8", True),
        Column("on the board", True),
    )
    text = (
        "{seed}|{validation/float:percent}|{validation/int8:percent}|{test/float:percent}|"
        "{test/int8:percent}|{test/device:percent}"
    )
    rows = tuple(
        Row(
            tuple(words(cell, f"{at}/runs/{i}") for cell in text.split("|")),
            "chosen" if len(facts["runs"]) > 1 and i == facts["chosen"] else "",
        )
        for i in range(len(facts["runs"]))
    )
    told = (
        "On the board {device/agreement:percent} of the samples get the class that onnxruntime "
        "gives."
    )
    blocks: list[Block] = [Table(columns, rows), Paragraph(words(told, at))]
    if facts["refit"]:
        refit = "The validation split was trained on at the end; its accuracy says little."
        blocks.append(Paragraph((refit,)))
    return blocks


def _found(facts: Mapping[str, Any], at: str) -> list[Block]:
    search = facts["search"]
    text = (
        "{search/judged} networks were judged by the planner, {search/measured} measured with the "
        "supernet's weights."
    )
    content = list(words(text, at))
    if search["correlations"]:
        content.append(" Rank correlation of the predictor with what it hadn't seen, by round: ")
        for i in range(len(search["correlations"])):
            content += [", "] if i else []
            content.append(Value(f"{at}/search/correlations/{i}", "ratio"))
        content.append(".")
    columns = (
        Column("accuracy with shared weights", True),
        Column("SRAM", True),
        Column("flash", True),
        Column("MACs", True),
    )
    rows = tuple(
        Row(
            tuple(
                words(cell, f"{at}/search/best/{i}")
                for cell in ("{accuracy:percent}", "{sram}", "{flash}", "{macs}")
            )
        )
        for i in range(len(search["best"]))
    )
    return [Paragraph(tuple(content)), Table(columns, rows)]


def _space(facts: Mapping[str, Any], at: str) -> list[Block]:
    best = facts["spaces"]["best"]
    lines = []
    for candidate in best[:CURVES]:
        points = len(candidate["quantiles"]) - 1
        missing = 1 - candidate["fitting"]
        shares = [missing + candidate["fitting"] * i / points for i in range(points + 1)]
        lines.append((candidate["name"], candidate["quantiles"], shares))
    ends = (
        End(facts["spaces"]["most_macs"], f"{at}/spaces/most_macs"),
        End(facts["spaces"]["whole"], f"{at}/spaces/whole", "percent"),
    )
    beside = "networks that don't fit, or have at most so many"
    picture = curve("MACs of the networks that fit", lines, "MACs", beside, ends)
    text = (
        "{spaces/judged} widths and resolutions were compared by the MACs of the networks that fit "
        "the budget: the further right a curve runs, the more its networks can do."
    )
    columns = (
        Column("width", True),
        Column("resolution", True),
        Column("networks that fit", True),
        Column("their mean MACs", True),
    )
    rows = tuple(
        Row(
            tuple(
                words(cell, f"{at}/spaces/best/{i}")
                for cell in ("{width:ratio}", "{resolution}", "{fitting:percent}", "{mean_macs}")
            )
        )
        for i in range(len(best))
    )
    return [Pictures((picture,), words=words(text, at)), Table(columns, rows)]
