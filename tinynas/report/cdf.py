# SPDX-License-Identifier: Apache-2.0
"""A picture of the choice of the space: how MACs are distributed at each width and resolution.

Needs the extra `plot` (matplotlib).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import NasError
from ..space.choose import POINTS, Candidate, SpaceChoice

COLOURS = ("#b3402e", "#31688e", "#3f7d4e", "#c9a227", "#7a5195", "#444444")
REST = "#d0d0d0"
HIGHEST, APART = 0.94, 0.075


def draw_cdfs(choice: SpaceChoice, path: Path, best: int = 5) -> None:
    """Writes the cumulative distributions of MACs; the format is the name's (.png, .svg, .pdf).

    A curve counts all networks that were drawn: it begins at the share that doesn't fit, and the
    further right it runs the better. The `best` have colours and names, the others are grey.

    Raises:
        NasError: matplotlib is missing, or it knows no such format.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise NasError("pictures need matplotlib: pip install 'tinyengine-tvm[plot]'") from error
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5))
    known = FigureCanvasAgg(figure).get_supported_filetypes()
    if path.suffix[1:].lower() not in known:
        raise NasError(f"no picture can be written as '{path.name}'; use .png or .svg")
    axis = figure.add_subplot()
    fitting = [candidate for candidate in choice.candidates if candidate.fitting]
    for candidate in fitting[best:]:
        axis.plot(*_curve(candidate), color=REST, lw=0.7, zorder=1)
    named = fitting[:best]
    for number, candidate in reversed(list(enumerate(named))):
        colour = COLOURS[number % len(COLOURS)]
        axis.plot(*_curve(candidate), color=colour, lw=2.2 if number == 0 else 1.3, zorder=3)
    _labels(axis, named)
    axis.set_xlim(left=0)
    axis.set_ylim(0, 1.02)
    axis.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1))
    axis.set_xlabel("MACs of one inference, millions")
    axis.set_ylabel("networks that don't fit, or have at most so many MACs")
    budget = choice.budget
    axis.set_title(
        f"{budget}: width"
        f" {choice.best.width:g}, resolution {choice.best.resolution} is the best of"
        f" {len(choice.candidates)}",
        fontsize=10,
        loc="left",
    )
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(color="#eeeeee", zorder=0)
    figure.tight_layout()
    # The same bytes each time.
    with matplotlib.rc_context({"svg.hashsalt": "cdf"}):
        facts = {"Date": None} if path.suffix.lower() == ".svg" else None
        figure.savefig(path, dpi=110, metadata=facts)


def _curve(candidate: Candidate) -> tuple[list[float], list[float]]:
    """Millions of MACs, and the share of all networks."""
    missing = 1 - candidate.fraction
    shares = [missing + candidate.fraction * point / 100 for point in POINTS]
    return [macs / 1e6 for macs in candidate.quantiles], shares


def _labels(axis: Any, named: list[Candidate]) -> None:
    """A name for each curve at the right, on a level of its own that the curve reaches."""
    right = max(candidate.quantiles[-1] for candidate in named) / 1e6
    order = sorted(enumerate(named), key=lambda item: (item[1].fraction, -item[1].quantiles[-1]))
    for place, (number, candidate) in enumerate(order):
        millions, shares = _curve(candidate)
        level = max(HIGHEST - place * APART, shares[0])
        colour = COLOURS[number % len(COLOURS)]
        axis.annotate(
            f"{candidate.width:g} x {candidate.resolution}: {100 * candidate.fraction:.0f} % fit,"
            f" mean {(candidate.mean or 0) / 1e6:.1f} M",
            (float(np.interp(level, shares, millions)), level),
            (right * 1.06, HIGHEST - place * APART),
            color=colour,
            fontsize=8,
            va="center",
            fontweight="bold" if number == 0 else "normal",
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.5},
            annotation_clip=False,
        )
    axis.set_xlim(right=right * 1.5)
