# SPDX-License-Identifier: Apache-2.0
"""What the subcommands print of their results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinyengine_tvm.cli.terminal import console, facts, print_json, table

if TYPE_CHECKING:
    from ..pipeline import Search


def candidates(rows: list[dict[str, Any]]) -> Any:
    made = table(">accuracy", ">SRAM", ">flash", ">MMACs", ">cycles", ">width", "depths")
    for row in rows:
        score, costs = row["score"], row["costs"]
        made.add_row(
            "-" if score is None else f"{100 * score['accuracy']:.2f} %",
            f"{costs['sram']:,}",
            f"{costs['flash']:,}",
            f"{costs['macs'] / 1e6:.2f}",
            f"{costs['cycles']:,.0f}",
            f"{row['genome']['width']:g}",
            " ".join(map(str, row["genome"]["depths"])),
        )
    return made


def show(search: Search, result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    run = result["runs"][result["chosen"]]
    device, test = run["device"], run["test"]
    rows = [
        ("model", str(search.project.path(result["model"]))),
        (
            "accuracy",
            f"float {100 * test['float']:.2f} %, int8 {100 * test['int8']:.2f} %, on the device "
            f"{100 * test['device']:.2f} % of {device['samples']:,} test samples",
        ),
    ]
    if len(result["runs"]) > 1:
        rows.append(
            (
                f"of {len(result['runs'])} seeds",
                f"mean {100 * result['mean']:.2f} %, standard deviation "
                f"{100 * result['spread']:.2f} points",
            )
        )
    rows += [
        ("SRAM", f"{device['sram']:,} bytes; stack {device['stack']:,}"),
        (
            "flash",
            f"{device['flash']:,} bytes: weights {device['weights']:,}, code {device['code']:,}",
        ),
        (
            "one inference",
            f"{device['instructions']:,} instructions, about {device['cycles']:,.0f} cycles, "
            f"{device['macs']:,} MACs ({device['board']})",
        ),
        ("budget", str(search.project.settings.budget)),
    ]
    rows += [("missed", text) for text in device["missing"]]
    rows.append(("report", str(search.project.path("report.md"))))
    console().print(facts(rows))
