# SPDX-License-Identifier: Apache-2.0
"""A report as a page of HTML, as Markdown, and as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ...errors import TinyEngineError
from ...folders import write_file
from .content import (
    Block,
    Commands,
    Meter,
    Paragraph,
    Report,
    Row,
    Table,
    Tiles,
    Value,
    Words,
    look_up,
    spoken,
)


def to_json(report: Report) -> str:
    """The facts."""
    return json.dumps(report.facts, indent=1, allow_nan=False) + "\n"


def to_html(report: Report) -> str:
    """One file that needs nothing else. Elements with `data-key` show the value at that pointer
    of the JSON that the page holds."""
    facts = report.facts

    def say(content: Words) -> Markup:
        return Markup(
            "".join(
                f'<span data-key="{escape(key)}">{escape(text)}</span>' if key else escape(text)
                for text, key in spoken(content, facts)
            )
        )

    # An end tag in a name would end the element.
    embedded = json.dumps(facts, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
    return _template().render(
        report=report,
        say=say,
        value=lambda key: look_up(facts, key),
        kind=lambda block: type(block).__name__,
        facts=Markup(embedded),
        style=Markup(_file("page.css")),
        title=report.title,
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["inline"] = lambda picture: Markup(picture.scene.inline(picture.label))
    return environment.from_string(_file("page.html.j2"))


def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def to_markdown(report: Report) -> str:
    """The same without the pictures, whose numbers are in the tables."""
    facts = report.facts

    def say(content: Words) -> str:
        text = "".join(text for text, _ in spoken(content, facts))
        for mark in ("\\", "|", "*", "_", "<"):
            text = text.replace(mark, f"\\{mark}")
        return " ".join(text.split())

    parts = [f"# {say((report.title,))}"]
    parts += [say(report.subtitle)] if report.subtitle else []
    for section in report.sections:
        told = [text for block in section.blocks for text in _markdown(block, say, facts)]
        # What consists of pictures alone has nothing to tell here.
        if told or not section.blocks:
            parts += [f"{'#' * section.level} {say(section.title)}", *told]
    return "\n\n".join(parts) + "\n"


def _markdown(block: Block, say: Callable[[Words], str], facts: Any) -> list[str]:
    if isinstance(block, Paragraph):
        return [say(block.words)]
    if isinstance(block, Tiles):
        rows = [f"| {t.label} | {say((t.value,))} | {say(t.note)} |" for t in block.tiles]
        return ["\n".join(["| | | |", "|---|--:|---|", *rows])]
    if isinstance(block, Meter):
        shares = ", ".join(f"{name} {say((value,))}" for name, value in block.parts)
        limit = "" if block.limit is None else f" of {say((block.limit,))}"
        note = f" {say(block.note)}" if block.note else ""
        return [f"**{block.label}**: {say((block.total,))} bytes{limit} ({shares}).{note}"]
    if isinstance(block, Table):
        lines = ["| " + " | ".join(say((c.title,)) for c in block.columns) + " |"]
        lines.append("|" + "|".join("--:" if c.number else "---" for c in block.columns) + "|")
        lines += [_markdown_row(row, say) for row in block.rows]
        return [f"**{block.title}**"] * bool(block.title) + ["\n".join(lines)]
    if isinstance(block, Commands):
        lines = [str(look_up(facts, line.key)) for line in block.lines]
        return ["\n".join(["```", *lines, "```"])]
    return []


def _markdown_row(row: Row, say: Callable[[Words], str]) -> str:
    cells = [say(cell) for cell in row.cells]
    if row.mark:
        cells = [f"**{cell}**" if cell else "" for cell in cells]
    return f"| {' | '.join(cells)} |"


FORMATS: dict[str, Callable[[Report], str]] = {
    ".html": to_html,
    ".md": to_markdown,
    ".json": to_json,
}
"""By the ending of a file's name."""


def require_report(path: Path) -> None:
    """Checks, before the work is done, that `write_report` can write here.

    Raises:
        TinyEngineError: it can't.
    """
    if path.suffix.lower() not in FORMATS:
        raise TinyEngineError(
            f"can't write '{path}': its name must end with one of {', '.join(FORMATS)}"
        )
    if path.is_dir():
        raise TinyEngineError(f"can't write '{path}': it is a folder; name a file")
    if not path.parent.is_dir():
        raise TinyEngineError(f"folder '{path.parent}' doesn't exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise TinyEngineError(f"folder '{path.parent}' can't be written; choose another")


def write_report(report: Report, path: Path) -> None:
    """Writes a report whole or not at all; the ending of the name says as what.

    Raises:
        TinyEngineError: it's no ending of FORMATS, or the file can't be written.
    """
    require_report(path)
    write_file(path, FORMATS[path.suffix.lower()](report).encode())


__all__ = [
    "FORMATS",
    "Value",
    "require_report",
    "to_html",
    "to_json",
    "to_markdown",
    "write_report",
]
