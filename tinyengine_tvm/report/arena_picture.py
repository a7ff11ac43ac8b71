# SPDX-License-Identifier: Apache-2.0
"""The arena as a picture: layers from left to right, addresses upwards."""

from __future__ import annotations

import math
from collections.abc import Callable

from .arena import ArenaMap, Box
from .scene import Line, Rectangle, Scene, Text

COLOURS = {
    "input": "#4e9a68",
    "output": "#c9762b",
    "activation": "#8fb3dc",
    "scratch": "#d9d2c3",
}
_SECOND_ACTIVATION = "#abc8ea"
"""Of every second layer, so that neighbours can be told apart."""
_PEAK = "#b3202c"
_PLOT_HEIGHT = 460.0
_LEFT, _RIGHT, _TOP = 92.0, 40.0, 96.0
_LEAST_COLUMN, _MOST_COLUMN, _WIDTH = 15.0, 90.0, 1080.0
_LETTER = 0.57
"""Width of an average letter, relative to the font size."""


_Scale = Callable[[float], float]


def arena_scene(arena: ArenaMap) -> Scene:
    """The drawing. Hatched are bytes that a layer's output or scratch shares with its input."""
    count = len(arena.layers)
    column = min(_MOST_COLUMN, max(_LEAST_COLUMN, _WIDTH / count))
    width = max(_LEFT + column * count + _RIGHT, 640.0)
    names = [_shortened(name, 26) for name, _ in arena.layers]
    below = 22 + max(len(name) for name in names) * 10 * _LETTER * math.sin(math.radians(60)) + 10
    bottom = _TOP + _PLOT_HEIGHT
    scene = Scene(width, bottom + below)
    top = max(arena.arena_bytes, 1)

    def y(address: float) -> float:
        return bottom - _PLOT_HEIGHT * address / top

    def x(layer: float) -> float:
        return _LEFT + column * layer

    name, op = arena.layers[arena.peak]
    scene.add(
        Text(
            _LEFT,
            26,
            f"{arena.name} on {arena.target}: {arena.arena_bytes:,} bytes of SRAM",
            17,
            bold=True,
        ),
        Text(
            _LEFT,
            47,
            f"Peak: {arena.live[arena.peak]:,} bytes in {name} ({op}). "
            f"{arena.verdict.capitalize()}.",
            12,
        ),
    )
    _legend(scene, _LEFT, 70)

    for address in _ticks(arena.arena_bytes):
        scene.add(
            Line(_LEFT, y(address), x(count), y(address), "#e4e4e4"),
            Text(_LEFT - 8, y(address) + 4, f"{address:,}", 10, "#555555", "end"),
        )
    scene.add(Text(22, _TOP + _PLOT_HEIGHT / 2, "address (bytes)", 11, "#555555", "middle", -90))

    scene.add(Rectangle(x(arena.peak), _TOP, column, _PLOT_HEIGHT, "#f7dfe0"))
    for box in sorted(arena.boxes, key=lambda b: (b.first, b.low)):
        _draw(scene, box, arena, x, y)
    for layer, low, high in arena.shared():
        scene.add(Rectangle(x(layer), y(high), column, y(low) - y(high), "", hatch=True))

    _labels(scene, arena, x, y, column)

    if arena.lower_bound < arena.arena_bytes:
        scene.add(Line(_LEFT, y(arena.lower_bound), x(count), y(arena.lower_bound), _PEAK, 1, True))
    scene.add(
        Line(_LEFT, y(arena.arena_bytes), x(count), y(arena.arena_bytes), "#222222", 1.4),
        Line(_LEFT, bottom, x(count), bottom, "#222222", 1.2),
        Line(x(arena.peak), _TOP, x(arena.peak), bottom, _PEAK, 1),
        Line(x(arena.peak + 1), _TOP, x(arena.peak + 1), bottom, _PEAK, 1),
    )
    for layer, short in enumerate(names):
        at_peak = layer == arena.peak
        colour = _PEAK if at_peak else "#333333"
        middle = x(layer + 0.5)
        scene.add(
            Line(middle, bottom, middle, bottom + 4, "#222222"),
            Text(middle + 3, bottom + 14, short, 10, colour, "end", -60, at_peak),
        )
    return scene


def _draw(scene: Scene, box: Box, arena: ArenaMap, x: _Scale, y: _Scale) -> None:
    left, right = x(box.first), x(box.last + 1)
    upper, lower = y(box.high), y(box.low)
    writer = "" if box.layer is None else f"\nwritten by {arena.layers[box.layer][0]}"
    lives = f"{arena.layers[box.first][0]} to {arena.layers[box.last][0]}"
    title = (
        f"{box.name} ({box.kind})\n{box.bytes:,} bytes at {box.low:,}..{box.high:,}"
        f"{writer}\nlive from {lives}"
    )
    fill = COLOURS[box.kind]
    if box.kind == "activation" and (box.layer or 0) % 2:
        fill = _SECOND_ACTIVATION
    height = max(lower - upper, 0.5)
    scene.add(Rectangle(left, upper, right - left, height, fill, "#ffffff", title))


def _labels(scene: Scene, arena: ArenaMap, x: _Scale, y: _Scale, column: float) -> None:
    """Sizes, each in the column of the layer that writes the buffer: elsewhere others begin."""
    size = 10.0
    taken: list[tuple[int, float, float]] = []
    for box in sorted(arena.boxes, key=lambda b: (-b.bytes, b.first, b.low)):
        label = f"{box.bytes:,}"
        length = len(label) * size * _LETTER + 4
        high = y(box.low) - y(box.high)
        level = high >= 15 and length <= column - 2
        tall = 14.0 if level else length
        if not level and (column < 13 or length > high - 4):
            continue
        for part in (0.5, 0.25, 0.75, 0.12, 0.88):
            centre = y(box.low) - high * part
            low, top = centre - tall / 2, centre + tall / 2
            outside = low < y(box.high) or top > y(box.low)
            if not outside and all(c != box.first or top < a or low > b for c, a, b in taken):
                break
        else:
            continue
        taken.append((box.first, low, top))
        middle = x(box.first + 0.5)
        wide = length if level else 13.0
        scene.add(Rectangle(middle - wide / 2, low, wide, tall, "#ffffff"))
        if level:
            scene.add(Text(middle, centre + 4, label, size, "#23344d", "middle"))
        else:
            scene.add(Text(middle + 4, centre, label, size, "#23344d", "middle", -90))


def _legend(scene: Scene, x: float, y: float) -> None:
    for kind, colour in COLOURS.items():
        scene.add(Rectangle(x, y - 9, 12, 11, colour), Text(x + 17, y, kind, 11))
        x += 17 + len(kind) * 11 * _LETTER + 16
    label = "shared: the output runs over the input that dies"
    scene.add(
        Rectangle(x, y - 9, 12, 11, COLOURS["activation"]),
        Rectangle(x, y - 9, 12, 11, "", hatch=True),
        Text(x + 17, y, label, 11),
    )
    x += 17 + len(label) * 11 * _LETTER + 8
    scene.add(
        Rectangle(x, y - 9, 12, 11, "#f7dfe0", _PEAK), Text(x + 17, y, "layer at the peak", 11)
    )


def _ticks(most: int) -> list[int]:
    """Round addresses, some eight of them, and the end of the arena."""
    step = 1
    while most / step > 8:
        step = step * 2 if str(step)[0] in "15" else step * 5 // 2
    return [*(a for a in range(0, most, step) if most - a > step * 0.4), most]


def _shortened(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
