# SPDX-License-Identifier: Apache-2.0
"""The pictures of docs/tuning.md.

    python -m benchmarks.tuning_pictures curves --json FILE --output PNG
    python -m benchmarks.tuning_pictures models NAME=DEFAULT:TUNED ... --output PNG

`curves` draws what `benchmarks.proposers replay --json` wrote: the regret of each workload over
trials, the mean of all seeds. `models` draws cycles of tuned networks relative to the default, from
what `tinyengine profile --json` printed for both.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLOURS = {"random": "#888888", "grid": "#c9a227", "genetic": "#3f7d4e", "xgboost": "#b3402e"}
COLUMNS = 4
MOST_LAYERS = 16


def curves(found: list[dict[str, Any]], output: Path) -> None:
    spaces = {c["workload"]: c["space"] for c in found}
    names = sorted(spaces, key=lambda name: -spaces[name])[:MOST_LAYERS]
    rows = -(-len(names) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(10, 2 * rows), sharex=True)
    for axis, name in zip(axes.flat, names, strict=False):
        for proposer, colour in COLOURS.items():
            mine = [c for c in found if (c["workload"], c["proposer"]) == (name, proposer)]
            marks = sorted({trials for c in mine for trials, _ in c["rounds"]})
            values = [[_at(c["rounds"], mark) for c in mine] for mark in marks]
            axis.plot(marks, 100 * np.mean(values, axis=1), color=colour, label=proposer, lw=1.2)
        axis.set_title(f"{name.split()[0]}, {spaces[name]} points", fontsize=7)
        axis.tick_params(labelsize=6)
        axis.set_ylim(bottom=0)
    for axis in list(axes.flat)[len(names) :]:
        axis.axis("off")
    figure.supxlabel("trials", fontsize=8)
    figure.supylabel("per cent above the best of the space", fontsize=8)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="upper center", ncols=len(COLOURS), fontsize=8, frameon=False
    )
    figure.tight_layout(rect=(0, 0, 1, 0.97))
    figure.savefig(output, dpi=80)


def _at(rounds: list[list[float]], mark: float) -> float:
    """The regret after so many trials; before the first batch that of the first batch."""
    known = [regret for trials, regret in rounds if trials <= mark]
    return known[-1] if known else rounds[0][1]


def models(given: list[str], output: Path) -> None:
    names, ratios, labels = [], [], []
    for text in given:
        name, _, files = text.partition("=")
        default, tuned = (json.loads(Path(f).read_text())["cycles"] for f in files.split(":"))
        names.append(name)
        ratios.append(100 * tuned / default)
        labels.append(f"{default / 1e6:.2f} M to {tuned / 1e6:.2f} M")
    figure, axis = plt.subplots(figsize=(7, 0.5 * len(names) + 1))
    places = np.arange(len(names))
    axis.barh(places, [100] * len(names), color="#dddddd")
    axis.barh(places, ratios, color=COLOURS["xgboost"])
    for place, ratio, label in zip(places, ratios, labels, strict=True):
        text = f"{ratio - 100:+.1f} %, {label}"
        axis.text(2, place, text, va="center", fontsize=8, color="white")
    axis.set_yticks(places, names, fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel("estimated cycles of the tuned network, default = 100", fontsize=8)
    axis.tick_params(labelsize=8)
    figure.tight_layout()
    figure.savefig(output, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description="The pictures of docs/tuning.md.")
    commands = parser.add_subparsers(dest="what", required=True)
    one = commands.add_parser("curves")
    one.add_argument("--json", type=Path, required=True)
    two = commands.add_parser("models")
    two.add_argument("models", nargs="+")
    for command in (one, two):
        command.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    if given.what == "curves":
        curves(json.loads(given.json.read_text()), given.output)
    else:
        models(given.models, given.output)


if __name__ == "__main__":
    main()
