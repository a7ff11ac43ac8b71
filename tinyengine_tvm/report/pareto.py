# SPDX-License-Identifier: Apache-2.0
"""SRAM against multiply-accumulates: the plans of a network, as data and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from .scene import Line, Rectangle, Scene, Text


@dataclass(frozen=True)
class Point:
    """A plan. arena: bytes; macs, extra_instructions (estimated) and instructions (measured, where
    there's a board) per inference; regions: the layers that are computed together, first and last.
    """

    streamed: bool
    arena: int
    macs: int
    mac_factor: float
    extra_instructions: int
    regions: tuple[str, ...]
    instructions: int | None = None


def pareto_json(name: str, target: str, points: Sequence[Point]) -> dict[str, Any]:
    """The curve for machines."""
    return {"name": name, "target": target, "points": [asdict(point) for point in points]}


WIDTH, HEIGHT = 760.0, 440.0
LEFT, RIGHT, TOP, BOTTOM = 76.0, 24.0, 48.0, 56.0
COLOURS = {False: "#31688e", True: "#c44e52"}
TICKS = 6


def pareto_scene(name: str, target: str, points: Sequence[Point]) -> Scene:
    """A picture of the curve: SRAM to the right; MACs, or instructions, relative to the least."""
    measured = all(point.instructions is not None for point in points)
    least = min((p.instructions or 0) for p in points) if measured else 0

    def height_of(point: Point) -> float:
        return (point.instructions or 0) / least if measured else point.mac_factor

    right = max(point.arena for point in points) * 1.05
    low = 1.0
    high = max(low + 0.05, max(height_of(point) for point in points) * 1.03)

    def x(arena: float) -> float:
        return LEFT + arena / right * (WIDTH - LEFT - RIGHT)

    def y(factor: float) -> float:
        return HEIGHT - BOTTOM - (factor - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    scene = Scene(WIDTH, HEIGHT)
    what = "instructions" if measured else "MACs"
    scene.add(Text(LEFT, 26, f"{name} on {target}: SRAM against {what}", 14, bold=True))
    for i in range(TICKS):
        arena, factor = right * i / (TICKS - 1), low + (high - low) * i / (TICKS - 1)
        scene.add(
            Line(x(arena), y(low), x(arena), TOP, "#e4e4e4"),
            Line(LEFT, y(factor), WIDTH - RIGHT, y(factor), "#e4e4e4"),
            Text(x(arena), HEIGHT - BOTTOM + 18, f"{arena / 1000:.0f}", anchor="middle"),
            Text(LEFT - 8, y(factor) + 4, f"{factor:.2f}", anchor="end"),
        )
    scene.add(
        Text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, "arena, kB (1,000 bytes)", anchor="middle"),
        Text(20, (TOP + HEIGHT - BOTTOM) / 2, f"{what}, relative", anchor="middle", angle=-90),
    )
    for number, (streamed, colour) in enumerate(COLOURS.items()):
        group = sorted((p for p in points if p.streamed == streamed), key=lambda p: p.arena)
        if not group:
            continue
        for a, b in pairwise(group):
            # A plan serves every budget up to the next larger one.
            scene.add(
                Line(x(a.arena), y(height_of(a)), x(b.arena), y(height_of(a)), colour, 1.2),
                Line(x(b.arena), y(height_of(a)), x(b.arena), y(height_of(b)), colour, 1.2),
            )
        for point in group:
            title = f"{point.arena:,} bytes, {point.mac_factor:.3f} x MACs"
            scene.add(
                Rectangle(x(point.arena) - 4, y(height_of(point)) - 4, 8, 8, colour, title=title)
            )
        label = "input streamed" if streamed else "input held"
        scene.add(
            Rectangle(WIDTH - 170, TOP + 8 + 20 * number, 8, 8, colour),
            Text(WIDTH - 156, TOP + 16 + 20 * number, label),
        )
    return scene
