# SPDX-License-Identifier: Apache-2.0
"""A drawing of rectangles, lines and texts, written as SVG or, by way of matplotlib, as PNG."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

from ..errors import TinyEngineError

FONT = "DejaVu Sans, Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Rectangle:
    """Pixels from the upper left corner; `hatch` draws diagonals instead of an area. `radius` of
    its corners, in SVG alone."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: str = "none"
    title: str = ""
    hatch: bool = False
    radius: float = 0.0


@dataclass(frozen=True)
class Line:
    x1: float
    y1: float
    x2: float
    y2: float
    stroke: str
    width: float = 1.0
    dashed: bool = False


@dataclass(frozen=True)
class Text:
    """(x, y) is the baseline's start, middle or end. `angle` turns it, in degrees, clockwise.

    `key` says, in SVG, which value of a report the text shows; `halo` leaves it to the page's style
    to set it off from what is behind.
    """

    x: float
    y: float
    text: str
    size: float = 11.0
    colour: str = "#222222"
    anchor: Literal["start", "middle", "end"] = "start"
    angle: float = 0.0
    bold: bool = False
    key: str = ""
    halo: bool = False


Item = Rectangle | Line | Text


@dataclass
class Scene:
    """Items are drawn in their order; width and height in pixels."""

    width: float
    height: float
    items: list[Item] = field(default_factory=list)

    def add(self, *items: Item) -> None:
        self.items.extend(items)

    def svg(self) -> str:
        """The text of an SVG file; titles appear where the mouse rests."""
        size = f"{self.width:g} {self.height:g}"
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" '
            f'width="{self.width:g}" height="{self.height:g}" font-family="{FONT}">',
            '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
            'patternTransform="rotate(45)"><rect width="2" height="6" fill="#1b1b1b" '
            'fill-opacity="0.55"/></pattern></defs>',
            f'<rect width="{self.width:g}" height="{self.height:g}" fill="#ffffff"/>',
        ]
        lines += [line for item in self.items for line in _svg_item(item)]
        return "\n".join([*lines, "</svg>", ""])

    def inline(self, label: str) -> str:
        """An <svg> element for a page of HTML, in the page's font and on its background.

        Colours may be the page's own, as in "var(--ink)". The page has the pattern named hatch.
        `label` says what is seen to those who don't see it.
        """
        lines = [
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" width="{self.width:g}" '
            f'height="{self.height:g}" role="img" aria-label="{escape(label)}">'
        ]
        lines += [line for item in self.items for line in _svg_item(item)]
        # What takes no clicks can't be selected either.
        return "\n".join([*lines, "</svg>"]).replace(' pointer-events="none"', "")

    def png(self, scale: float = 2.0) -> bytes:
        """A PNG image of `scale` times the size.

        Raises:
            TinyEngineError: matplotlib isn't installed.
        """
        try:
            import matplotlib
        except ImportError as error:
            raise TinyEngineError(
                "PNG needs matplotlib: pip install 'tinyengine-tvm[plot]', or write .svg or .html"
            ) from error
        matplotlib.use("Agg")
        from matplotlib import pyplot
        from matplotlib.patches import Rectangle as Patch

        dpi = 100
        figure = pyplot.figure(figsize=(self.width / dpi, self.height / dpi), dpi=dpi)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, self.width)
        axes.set_ylim(self.height, 0)
        axes.axis("off")
        for order, item in enumerate(self.items):
            if isinstance(item, Rectangle):
                how: dict[str, Any] = (
                    {"fill": False, "hatch": "/////", "edgecolor": "#1b1b1b8c", "linewidth": 0}
                    if item.hatch
                    else {"facecolor": item.fill, "edgecolor": item.stroke, "linewidth": 0.6}
                )
                patch = Patch((item.x, item.y), item.width, item.height, zorder=order, **how)
                axes.add_patch(patch)
            elif isinstance(item, Line):
                style = "--" if item.dashed else "-"
                axes.plot(
                    (item.x1, item.x2),
                    (item.y1, item.y2),
                    color=item.stroke,
                    linewidth=item.width * 0.72,
                    linestyle=style,
                    zorder=order,
                )
            else:
                axes.text(
                    item.x,
                    item.y,
                    # matplotlib would read formulas between two dollars.
                    item.text.replace("$", r"\$"),
                    fontsize=item.size * 0.72,
                    color=item.colour,
                    ha={"start": "left", "middle": "center", "end": "right"}[item.anchor],
                    va="baseline",
                    rotation=-item.angle,
                    rotation_mode="anchor",
                    weight="bold" if item.bold else "normal",
                    zorder=order,
                )
        data = io.BytesIO()
        # Without the version of matplotlib in it, the same picture is the same file.
        figure.savefig(data, format="png", dpi=dpi * scale, metadata={"Software": None})
        pyplot.close(figure)
        return data.getvalue()


def _svg_item(item: Item) -> Iterator[str]:
    if isinstance(item, Rectangle):
        box = (
            f'x="{item.x:.1f}" y="{item.y:.1f}" width="{item.width:.1f}" height="{item.height:.1f}"'
        )
        if item.hatch:
            yield f'<rect {box} fill="url(#hatch)" pointer-events="none"/>'
            return
        title = f"<title>{escape(item.title)}</title>" if item.title else ""
        paint = f'fill="{item.fill}" stroke="{item.stroke}" stroke-width="0.8"'
        paint += f' rx="{item.radius:g}"' if item.radius else ""
        yield f"<rect {box} {paint}>{title}</rect>"
    elif isinstance(item, Line):
        dash = ' stroke-dasharray="5 4"' if item.dashed else ""
        yield (
            f'<line x1="{item.x1:.1f}" y1="{item.y1:.1f}" x2="{item.x2:.1f}" y2="{item.y2:.1f}" '
            f'stroke="{item.stroke}" stroke-width="{item.width:g}"{dash}/>'
        )
    else:
        turn = (
            f' transform="rotate({item.angle:g} {item.x:.1f} {item.y:.1f})"' if item.angle else ""
        )
        weight = ' font-weight="bold"' if item.bold else ""
        weight += f' data-key="{escape(item.key)}"' if item.key else ""
        weight += ' class="halo"' if item.halo else ""
        yield (
            f'<text x="{item.x:.1f}" y="{item.y:.1f}" font-size="{item.size:g}" '
            f'fill="{item.colour}" text-anchor="{item.anchor}" pointer-events="none"'
            f"{weight}{turn}>{escape(item.text)}</text>"
        )
