# SPDX-License-Identifier: Apache-2.0
"""The report of a search: Markdown with pictures beside it, and a page that needs nothing else."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from tinyengine_tvm.report.page import build_report, subjects_of
from tinyengine_tvm.report.page import write_report as write_page

from ..project import Project
from ..space import Architecture, SpaceChoice
from .architecture import architecture_scene
from .cdf import draw_cdfs

REPORT = "report.md"
PAGES = ("report.html", "report.json")


def write_report(project: Project, finished: dict[str, Any]) -> Path:
    """Writes report.md, architecture.svg and, where matplotlib is there, spaces.svg.

    report.html and report.json have all of it, and the compiled network.
    """
    run = finished["runs"][finished["chosen"]]
    settings = project.settings
    architecture = Architecture.from_json(run["architecture"])
    title = f"{settings.task} on {settings.core}"
    scene = architecture_scene(architecture, title)
    project.path("architecture.svg").write_text(scene.svg(), encoding="utf-8")
    parts = [
        f"# {title}",
        f"Budget: {settings.budget}. The model is `{finished['model']}`.",
        _accuracy(finished),
        _device(project, run),
        "![the network](architecture.svg)",
        _choice(project),
        _search(project),
    ]
    path = project.path(REPORT)
    path.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    page = build_report(subjects_of(project.folder))
    for name in PAGES:
        write_page(page, project.path(name))
    return path


def _accuracy(finished: dict[str, Any]) -> str:
    rows = ["| seed | validation, float | int8 | test, float | int8 | on the board |"]
    rows.append("|---|---|---|---|---|---|")
    for run in finished["runs"]:
        figures = [
            run["validation"]["float"],
            run["validation"]["int8"],
            run["test"]["float"],
            run["test"]["int8"],
            run["test"]["device"],
        ]
        chosen = " (chosen)" if run is finished["runs"][finished["chosen"]] else ""
        cells = " | ".join(f"{100 * f:.2f} %" for f in figures)
        rows.append(f"| {run['seed']}{chosen} | {cells} |")
    text = "\n".join(rows)
    if len(finished["runs"]) > 1:
        text += (
            f"\n\nOn the board: mean {100 * finished['mean']:.2f} %, standard deviation "
            f"{100 * finished['spread']:.2f} points."
        )
        if not finished["runs"][0]["options"]["refit"]:
            text += " The seed is chosen by validation."
    if finished["runs"][0]["options"]["refit"]:
        text += "\n\nThe validation split was trained on at the end; its accuracy says little."
    return text


def _device(project: Project, run: dict[str, Any]) -> str:
    device, budget = run["device"], project.settings.budget
    rows = [
        ("SRAM, bytes", device["sram"], budget.sram),
        ("flash, bytes", device["flash"], budget.flash),
        ("estimated cycles", device["cycles"], budget.cycles),
    ]
    lines = [f"| {device['board']} | taken | budget | left |", "|---|---|---|---|"]
    for name, value, limit in rows:
        left = "" if limit is None else f"{100 * (1 - value / limit):.1f} %"
        lines.append(
            f"| {name} | {value:,.0f} | {'' if limit is None else f'{limit:,.0f}'} | {left} |"
        )
    lines.append(f"| instructions | {device['instructions']:,} | | |")
    lines.append(f"| MACs | {device['macs']:,} | | |")
    text = "\n".join(lines)
    text += (
        f"\n\nFlash is {device['weights']:,} bytes of weights and {device['code']:,} of code; the "
        f"stack takes {device['stack']:,} bytes beside the SRAM. {device['samples']:,} samples of "
        f"the test split ran on the board; {100 * device['agreement']:.2f} % got the class that "
        "onnxruntime gives."
    )
    return "\n\n".join([text, *(f"**Over the budget:** {m}" for m in device["missing"])])


def _choice(project: Project) -> str:
    """How the budget shaped the space."""
    record = project.read("space.json") or {}
    if "choice" not in record:
        return ""
    choice = SpaceChoice.from_json(record["choice"])
    lines = ["| width | resolution | networks that fit | their mean, MMACs |", "|---|---|---|---|"]
    for candidate in choice.candidates[:8]:
        mean = "" if candidate.mean is None else f"{candidate.mean / 1e6:.2f}"
        lines.append(
            f"| {candidate.width:g} | {candidate.resolution} | {100 * candidate.fraction:.0f} % | "
            f"{mean} |"
        )
    chosen = record["chosen"]
    text = "## The space\n" + "\n".join(lines)
    text += (
        f"\n\nSearched: widths {', '.join(f'{w:g}' for w in chosen['widths'])}, resolutions "
        f"{', '.join(map(str, chosen['resolutions']))}."
    )
    if importlib.util.find_spec("matplotlib"):
        draw_cdfs(choice, project.path("spaces.svg"))
        text += "\n\n![MACs of the networks that fit](spaces.svg)"
    return text


def _search(project: Project) -> str:
    record = project.read("evolve.json")
    if record is None:
        return ""
    text = (
        f"## The search\n{record['judged']:,} networks were judged by the planner, "
        f"{record['measured']:,} measured with the supernet's weights."
    )
    if record["correlations"]:
        ranks = ", ".join(f"{c:.2f}" for c in record["correlations"])
        text += f" Rank correlation of the predictor with what it hadn't seen, by round: {ranks}."
    lines = ["| accuracy with shared weights | SRAM | flash | MMACs |", "|---|---|---|---|"]
    for row in record["best"][:5]:
        score, costs = row["score"], row["costs"]
        shown = "" if score is None else f"{100 * score['accuracy']:.2f} %"
        lines.append(
            f"| {shown} | {costs['sram']:,} | {costs['flash']:,} | {costs['macs'] / 1e6:.2f} |"
        )
    return text + "\n\n" + "\n".join(lines)
