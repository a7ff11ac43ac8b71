# SPDX-License-Identifier: Apache-2.0
"""The arena as plain text, for terminals and logs."""

from __future__ import annotations

from .arena import ArenaMap

_BAR = 40


def arena_text(arena: ArenaMap, ascii_only: bool = False) -> str:
    """A bar per layer over the arena's addresses, and what lies where at the peak.

    A bar's cell is i, o, a or s (input, output, activation, scratch) where that fills most of it,
    # where two buffers share it, and . where nothing is live.
    """
    name, op = arena.layers[arena.peak]
    lines = [
        f"{arena.name} on {arena.target}: arena {arena.arena_bytes:,} bytes, "
        f"bound {arena.lower_bound:,} ({arena.verdict})",
        f"peak {arena.live[arena.peak]:,} bytes at {name} ({op}), found by {arena.method}",
        "",
    ]
    width = max(len(n) for n, _ in arena.layers)
    width = min(max(width, 5), 32)
    lines.append(f"  {'layer':<{width}}  {'live bytes':>10}  0{arena.arena_bytes:>{_BAR},}")
    for i, (layer, _) in enumerate(arena.layers):
        mark = ">" if i == arena.peak else " "
        short = layer if len(layer) <= width else layer[: width - 2] + ".."
        lines.append(f"{mark} {short:<{width}}  {arena.live[i]:>10,}  |{_bar(arena, i)}|")
    lines += ["", f"at {name}:"]
    for box in arena.at(arena.peak):
        lines.append(
            f"  {box.low:>8,} .. {box.high:>8,}  {box.bytes:>8,}  {box.kind:<10}  {box.name}"
        )
    lines += ["", "i input, o output, a activation, s scratch, # shared, . free"]
    return "\n".join(lines) + "\n"


def _bar(arena: ArenaMap, layer: int) -> str:
    cells = []
    boxes = arena.at(layer)
    shared = [(low, high) for at, low, high in arena.shared() if at == layer]
    for cell in range(_BAR):
        low = cell * arena.arena_bytes / _BAR
        high = (cell + 1) * arena.arena_bytes / _BAR
        half = (high - low) / 2

        def within(a: int, b: int, low: float = low, high: float = high) -> float:
            return max(0.0, min(b, high) - max(a, low))

        over = sum(within(a, b) for a, b in shared)
        filled = [(within(b.low, b.high), b.kind[0]) for b in boxes]
        most, letter = max(filled, default=(0.0, "."))
        cells.append("#" if over > half else letter if most > half else ".")
    return "".join(cells)
