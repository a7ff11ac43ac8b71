# SPDX-License-Identifier: Apache-2.0
"""Pictures that compare: bars with a line of text each, and curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..scene import Line, Rectangle, Scene, Text
from .content import Form, Picture, written
from .panels import ACCENT, FAINT, INK, MUTED, RULE, WIDTH, shortened

BAR_ROW = 36.0
BOLD = 0.68
"""Width of a bold digit, relative to the font size."""


@dataclass(frozen=True)
class Bar:
    """`key`: pointer of `value` in the facts; `strong` for what the reader looks for."""

    label: str
    value: float
    key: str
    strong: bool = False


def bars(title: str, rows: Sequence[Bar], form: Form = "count") -> Picture:
    """A bar per row below its name; the longest takes the whole width."""
    scene = Scene(WIDTH, len(rows) * BAR_ROW + 4)
    most = max((row.value for row in rows), default=0) or 1
    texts = [written(row.value, form) for row in rows]
    room = WIDTH - max(map(len, texts), default=0) * 11 * BOLD - 10
    for index, (row, text) in enumerate(zip(rows, texts, strict=True)):
        y = index * BAR_ROW
        length = max(room * row.value / most, 1)
        scene.add(
            Text(0, y + 12, shortened(row.label, 54), 11, INK if row.strong else MUTED),
            Rectangle(0, y + 17, length, 12, ACCENT if row.strong else "var(--other)", radius=2),
            Text(length + 6, y + 27, text, 11, INK, bold=row.strong, key=row.key),
        )
    return Picture(title, scene, title)


@dataclass(frozen=True)
class Pair:
    """A value before and after, with their pointers in the facts."""

    label: str
    before: tuple[float, str]
    after: tuple[float, str]


def pairs(title: str, rows: Sequence[Pair], before: str, after: str) -> Picture:
    """Two bars per row below its name, what was before in grey and what is now in colour.

    Without a title it goes on with the picture before it, which has the legend.
    """
    legend = ((before, "var(--other)"), (after, ACCENT)) if title else ()
    high = BAR_ROW + 12
    scene = Scene(WIDTH, len(rows) * high + 4)
    values = [value for row in rows for value, _ in (row.before, row.after)]
    most = max(values, default=0) or 1
    room = WIDTH - max((len(f"{v:,.0f}") for v in values), default=0) * 11 * BOLD - 10
    for index, row in enumerate(rows):
        y = index * high
        scene.add(Text(0, y + 12, shortened(row.label, 54), 11, MUTED))
        for place, ((value, key), colour) in enumerate(
            ((row.before, "var(--other)"), (row.after, ACCENT))
        ):
            top, length = y + 17 + place * 12, max(room * value / most, 1)
            scene.add(
                Rectangle(0, top, length, 11, colour, radius=2),
                Text(length + 6, top + 9.5, f"{value:,.0f}", 11, INK, bold=place == 1, key=key),
            )
    return Picture(title, scene, title or "continued", legend)


@dataclass(frozen=True)
class End:
    """The greatest value on an axis, with its pointer in the facts."""

    value: float
    key: str
    form: Form = "count"


def curve(
    title: str,
    lines: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    below: str,
    beside: str,
    ends: tuple[End, End],
) -> Picture:
    """Curves of (name, x, y) with the same axes, the first one strong; both axes begin at zero.

    `below` and `beside` name the axes, `ends` is where each ends; the curves' names are the legend.
    """
    width, height = WIDTH, 230.0
    left, right, top, bottom = 8.0, 8.0, 22.0, 34.0
    far, high = (end.value or 1.0 for end in ends)
    scene = Scene(width, height)

    def x(value: float) -> float:
        return left + (width - left - right) * value / far

    def y(value: float) -> float:
        return height - bottom - (height - top - bottom) * value / high

    scene.add(
        Text(left, 12, beside, 10.5, MUTED),
        Text(left, height - 18, "0", 10.5, MUTED),
        Text(left, height - 4, below, 10.5, MUTED),
        *(
            Text(width - right, line, written(e.value, e.form), 10.5, MUTED, "end", key=e.key)
            for e, line in zip(ends, (height - 18, 12.0), strict=True)
        ),
        Line(left, y(0), width - right, y(0), RULE),
    )
    for part in (0.5, 1.0):
        scene.add(Line(left, y(high * part), width - right, y(high * part), RULE, 0.6, True))
    colours = [ACCENT, MUTED, "var(--op-elementwise)", "var(--op-conv)", FAINT]
    for index, (_, xs, ys) in reversed(list(enumerate(lines))):
        colour = colours[index % len(colours)]
        for (x1, y1), (x2, y2) in pairwise(zip(xs, ys, strict=True)):
            scene.add(Line(x(x1), y(y1), x(x2), y(y2), colour, 2.2 if index == 0 else 1.2))
    legend = tuple((name, colours[i % len(colours)]) for i, (name, _, _) in enumerate(lines))
    return Picture(title, scene, title, legend)
