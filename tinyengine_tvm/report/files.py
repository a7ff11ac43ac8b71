# SPDX-License-Identifier: Apache-2.0
"""The map of an arena as a file."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from ..errors import TinyEngineError
from .arena import ArenaMap
from .arena_picture import arena_scene
from .arena_text import arena_text

FORMATS = (".svg", ".png", ".html", ".txt", ".json")


def write_arena(arena: ArenaMap, path: Path) -> None:
    """Writes the map in the format that the file's name ends with; the same map, the same bytes.

    Raises:
        TinyEngineError: the ending is none of FORMATS, or PNG is asked for without matplotlib.
    """
    ending = path.suffix.lower()
    if ending == ".png":
        data = arena_scene(arena).png()
    elif ending in FORMATS:
        data = {
            ".svg": lambda: arena_scene(arena).svg(),
            ".html": lambda: arena_page(arena),
            ".txt": lambda: arena_text(arena),
            ".json": lambda: json.dumps(arena.to_json(), indent=1) + "\n",
        }[ending]().encode()
    else:
        raise TinyEngineError(
            f"can't write '{path}': its name must end with one of {', '.join(FORMATS)}"
        )
    path.write_bytes(data)


_STYLE = """
body { font-family: "DejaVu Sans", Helvetica, Arial, sans-serif; color: #222; margin: 24px; }
svg { max-width: 100%; height: auto; }
svg rect:hover { fill-opacity: 0.75; }
table { border-collapse: collapse; margin-top: 12px; font-size: 13px; }
th, td { padding: 3px 12px; text-align: left; border-bottom: 1px solid #e4e4e4; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
tr.peak { background: #f7dfe0; font-weight: bold; }
.bar { background: #8fb3dc; height: 9px; }
"""


def arena_page(arena: ArenaMap) -> str:
    """A page of HTML that needs nothing else: the picture, the peak, and a table of the layers."""
    name, op = arena.layers[arena.peak]
    held = "".join(
        f'<tr><td>{escape(b.name)}</td><td>{b.kind}</td><td class="n">{b.low:,}</td>'
        f'<td class="n">{b.high:,}</td><td class="n">{b.bytes:,}</td></tr>'
        for b in reversed(arena.at(arena.peak))
    )
    rows = "".join(
        f'<tr{" class=peak" if i == arena.peak else ""}><td class="n">{i}</td>'
        f"<td>{escape(layer)}</td><td>{escape(kind)}</td>"
        f'<td class="n">{live:,}</td><td style="width:240px">'
        f'<div class="bar" style="width:{100 * live / max(arena.arena_bytes, 1):.1f}%"></div>'
        "</td></tr>"
        for i, ((layer, kind), live) in enumerate(zip(arena.layers, arena.live, strict=True))
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Arena of {escape(arena.name)}</title>
<style>{_STYLE}</style></head><body>
{arena_scene(arena).svg()}
<h2>At the peak: {escape(name)} ({escape(op)})</h2>
<table><tr><th>buffer</th><th>kind</th><th class="n">from</th><th class="n">to</th>
<th class="n">bytes</th></tr>{held}</table>
<h2>Layers</h2>
<table><tr><th class="n">#</th><th>layer</th><th>operator</th><th class="n">bytes in use</th>
<th></th></tr>
{rows}</table>
</body></html>
"""
