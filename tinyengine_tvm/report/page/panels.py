# SPDX-License-Identifier: Apache-2.0
"""Pictures with a row per layer: the network, the arena over time, and bars.

All are as wide as a phone and have the same rows, so that they may stand beside each other or one
below the other without being scaled. Time runs downwards, unlike in `arena_picture`, because a page
has more room that way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ..arena import ArenaMap
from ..scene import Line, Rectangle, Scene, Text
from .content import Form, Picture, written

WIDTH, ROW, HEAD = 344.0, 22.0, 30.0
ROWS = 40
"""Layers per picture: no more fit on a printed page."""
LETTER = 0.56
"""Width of a digit, relative to the font size."""

_Scale = Callable[[float], float]

INK, MUTED, FAINT, RULE = "var(--ink)", "var(--muted)", "var(--faint)", "var(--rule)"
ACCENT, ACCENT_SOFT, PEAK, PEAK_SOFT = (
    "var(--accent)",
    "var(--accent-soft)",
    "var(--peak)",
    "var(--peak-soft)",
)
KINDS = {
    "convolution": "var(--op-conv)",
    "depthwise": "var(--op-depthwise)",
    "dense": "var(--op-dense)",
    "elementwise": "var(--op-elementwise)",
    "pooling": "var(--op-pool)",
    "through TVM": "var(--op-tvm)",
    "other": "var(--op-other)",
}
_KIND_OF = {
    "conv2d": "convolution",
    "fused": "convolution",
    "depthwise_conv2d": "depthwise",
    "dense": "dense",
    "external": "through TVM",
}
_ELEMENTWISE = ("add", "mul", "clip", "lookup", "softmax")
ARENA = {
    "input": "var(--arena-input)",
    "activation": "var(--arena-activation)",
    "output": "var(--arena-output)",
    "scratch": "var(--arena-scratch)",
}


def kind_of(operator: str) -> str:
    """The kind that an operator is coloured as."""
    if operator in _KIND_OF:
        return _KIND_OF[operator]
    if operator in _ELEMENTWISE:
        return "elementwise"
    return "pooling" if "pool" in operator or operator == "mean" else "other"


def parts(count: int) -> list[range]:
    """The layers of each picture, in parts of about equal length."""
    pieces = max(1, -(-count // ROWS))
    edges = [count * i // pieces for i in range(pieces + 1)]
    return [range(a, b) for a, b in pairwise(edges)]


def network_picture(
    layers: Sequence[Mapping[str, Any]], rows: range, peak: int, at: str
) -> Picture:
    """Names, and for each layer a bar whose width stands for the elements of its output.

    `layers` as in the facts of a compiled network, whose pointer is `at`.
    """
    scene = _scene(rows, peak, ("layer", 26, "start"), ("output", WIDTH, "end"))
    middle, widest = 236.0, 78.0
    most = max(_elements(layer["output_shape"]) for layer in layers)
    half = [max(2.0, widest / 2 * (_elements(la["output_shape"]) / most) ** 0.5) for la in layers]

    def y(row: float) -> float:
        return HEAD + (row - rows.start + 0.5) * ROW

    for row in rows:
        layer = layers[row]
        if row + 1 in rows:
            scene.add(Line(middle, y(row), middle, y(row + 1), FAINT, 1.2))
    for row in rows:
        layer = layers[row]
        window = layer.get("window")
        about = f"{layer['name']}: {layer['operator']}" + (
            f" {window[0]}x{window[1]}, stride {'x'.join(map(str, layer['stride']))}"
            if window
            else ""
        )
        scene.add(
            Rectangle(
                middle - half[row],
                y(row) - 7,
                2 * half[row],
                14,
                KINDS[kind_of(layer["operator"])],
                title=about,
                radius=2.5,
            ),
            Text(26, y(row) + 4, shortened(layer["name"], 24), 11, INK),
            Text(
                WIDTH,
                y(row) + 4,
                written(layer["output_shape"], "shape"),
                11,
                MUTED,
                "end",
                key=f"{at}/{row}/output_shape",
            ),
        )
    for lane, (start, end) in _skips(layers, rows):
        x = middle - widest / 2 - 7 - 5 * (lane % 4)
        upper = y(start) if start in rows else HEAD
        lower = y(end) if end in rows else y(rows.stop) - ROW / 2
        if start in rows:
            scene.add(Line(middle - half[start], upper, x, upper, MUTED))
        scene.add(Line(x, upper, x, lower, MUTED))
        if end in rows:
            scene.add(
                Line(x, lower, middle - half[end] - 1, lower, MUTED),
                Rectangle(middle - half[end] - 4, lower - 2, 4, 4, MUTED, radius=2),
            )
    used = {kind_of(layer["operator"]) for layer in layers}
    legend = tuple((name, colour) for name, colour in KINDS.items() if name in used)
    return Picture("The network", scene, f"Layers {rows.start} to {rows.stop - 1}", legend)


def arena_rows(arena: ArenaMap, rows: range, at: str) -> Picture:
    """Addresses to the right, layers downwards. `at` is the pointer of the arena's facts."""
    left = 26.0
    scene = _scene(rows, arena.peak, ("address 0", left, "start"))
    size = max(arena.arena_bytes, 1)
    bottom = HEAD + len(rows) * ROW
    key = f"{at}/arena_bytes"
    scene.add(Text(WIDTH, HEAD - 10, f"{arena.arena_bytes:,}", 10.5, MUTED, "end", key=key))

    def x(address: float) -> float:
        return left + (WIDTH - left) * address / size

    def y(row: float) -> float:
        return HEAD + (row - rows.start) * ROW

    for box in sorted(arena.boxes, key=lambda b: (b.first, b.low)):
        first, last = max(box.first, rows.start), min(box.last, rows.stop - 1)
        if first > last:
            continue
        about = f"{box.name} ({box.kind}): {box.bytes:,} bytes at {box.low:,}"
        width = max(x(box.high) - x(box.low), 0.8)
        high, fill = (last + 1 - first) * ROW - 1, ARENA[box.kind]
        scene.add(
            Rectangle(
                x(box.low), y(first) + 0.5, width, high, fill, "var(--paper)", about, radius=2
            )
        )
    for layer, low, high_end in arena.shared():
        if layer in rows:
            scene.add(
                Rectangle(x(low), y(layer) + 1, x(high_end) - x(low), ROW - 2, "", hatch=True)
            )
    scene.add(*_sizes(arena, rows, x, y, at))
    scene.add(Line(left, HEAD, left, bottom, RULE), Line(WIDTH, HEAD, WIDTH, bottom, RULE))
    if arena.peak in rows:
        for edge in (arena.peak, arena.peak + 1):
            scene.add(Line(left, y(edge), WIDTH, y(edge), PEAK, 1))
    used = {box.kind for box in arena.boxes}
    legend = tuple((kind, colour) for kind, colour in ARENA.items() if kind in used)
    if arena.shared():
        legend += (("shared by two", "hatch"),)
    return Picture(
        "The arena over time", scene, f"Arena, layers {rows.start} to {rows.stop - 1}", legend
    )


def _sizes(arena: ArenaMap, rows: range, x: _Scale, y: _Scale, at: str) -> list[Text]:
    """The bytes of each buffer that has room for them, in the row of the layer that writes it."""
    labels: list[Text] = []
    taken: list[tuple[int, float, float]] = []
    for index, box in sorted(enumerate(arena.boxes), key=lambda pair: pair[1].bytes):
        text = f"{box.bytes:,}"
        room = len(text) * 10 * LETTER + 8
        if box.first not in rows:
            continue
        # Elsewhere than in the middle where another buffer's label is there already.
        for share in (0.5, 0.75, 0.25, 0.9, 0.1):
            middle = x(box.low) + (x(box.high) - x(box.low)) * share
            left, right = middle - room / 2, middle + room / 2
            inside = left >= x(box.low) - 1 and right <= x(box.high) + 1
            if inside and all(r != box.first or right < a or left > b for r, a, b in taken):
                break
        else:
            continue
        taken.append((box.first, left, right))
        key, place = f"{at}/buffers/{index}/bytes", y(box.first) + ROW / 2 + 3.5
        labels.append(
            Text(middle, place, text, 10, "var(--on-arena)", "middle", key=key, halo=True)
        )
    return labels


def bars_picture(layers: Sequence[Mapping[str, Any]], rows: range, peak: int, at: str) -> Picture:
    """Instructions, MACs and their ratio for each layer; without a profile MACs and live bytes."""
    measured = layers[0]["instructions"] is not None
    columns: tuple[tuple[str, float, float, str], ...]
    if measured:
        columns = (
            ("instructions", 26.0, 154.0, ACCENT),
            ("macs", 162.0, 270.0, ACCENT_SOFT),
            ("instructions_per_mac", 278.0, WIDTH, FAINT),
        )
    else:
        columns = (("macs", 26.0, 180.0, ACCENT), ("live_bytes", 190.0, WIDTH, ACCENT_SOFT))
    titles = {
        "instructions": "instructions",
        "macs": "MACs",
        "instructions_per_mac": "per MAC",
        "live_bytes": "bytes in use",
    }
    heads = tuple((titles[name], left, "start") for name, left, _, _ in columns)
    scene = _scene(rows, peak, *heads)
    for name, left, right, colour in columns:
        form: Form = "ratio" if name == "instructions_per_mac" else "count"
        values = [layer[name] for layer in layers]
        texts = [written(value, form) if value else "–" for value in values]  # noqa: RUF001
        most = max((value or 0 for value in values), default=0) or 1
        room = right - left - max(map(len, texts)) * 10.5 * LETTER - 6
        for row in rows:
            y = HEAD + (row - rows.start + 0.5) * ROW
            length = max(room * (values[row] or 0) / most, 0.6 if values[row] else 0)
            if length:
                scene.add(Rectangle(left, y - 6, length, 12, colour, radius=2))
            key = f"{at}/{row}/{name}" if values[row] else ""
            ink = INK if values[row] else FAINT
            scene.add(Text(left + length + 4, y + 4, texts[row], 10.5, ink, key=key))
    title = "Cost by layer" if measured else "MACs and memory by layer"
    return Picture(title, scene, f"{title}, layers {rows.start} to {rows.stop - 1}")


def shortened(name: str, most: int) -> str:
    """A name without its middle: its end tells names of one model apart."""
    return name if len(name) <= most else f"{name[: most // 3]}…{name[-(most - most // 3 - 1) :]}"


def _scene(rows: range, peak: int, *heads: tuple[str, float, str]) -> Scene:
    """Rows with their numbers, and the row of the peak."""
    scene = Scene(WIDTH, HEAD + len(rows) * ROW + 2)
    if peak in rows:
        scene.add(Rectangle(0, HEAD + (peak - rows.start) * ROW, WIDTH, ROW, PEAK_SOFT))
    for title, x, anchor in heads:
        scene.add(Text(x, HEAD - 10, title, 10.5, MUTED, anchor))  # type: ignore[arg-type]
    scene.add(Line(0, HEAD - 2, WIDTH, HEAD - 2, RULE))
    for row in rows:
        y = HEAD + (row - rows.start + 0.5) * ROW
        at_peak = row == peak
        scene.add(Text(18, y + 4, str(row), 10, PEAK if at_peak else FAINT, "end", 0, at_peak))
    return scene


def _elements(shape: Sequence[int]) -> int:
    elements = 1
    for size in shape:
        elements *= size
    return elements


def _skips(layers: Sequence[Mapping[str, Any]], rows: range) -> list[tuple[int, tuple[int, int]]]:
    """(lane, (writer, reader)) of edges that pass over layers and are seen in these rows."""
    writer = {layer["output"]: i for i, layer in enumerate(layers)}
    edges = sorted(
        {
            (writer[name], i)
            for i, layer in enumerate(layers)
            for name in layer["inputs"]
            if name in writer and i - writer[name] > 1
        }
    )
    free: list[int] = []
    found = []
    for start, end in edges:
        lane = next((n for n, until in enumerate(free) if until <= start), len(free))
        if lane == len(free):
            free.append(end)
        free[lane] = end
        if start < rows.stop and end >= rows.start:
            found.append((lane, (start, end)))
    return found
