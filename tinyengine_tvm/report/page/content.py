# SPDX-License-Identifier: Apache-2.0
"""What a report consists of. Its numbers are references into one JSON document, its facts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ..scene import Scene

Form = Literal["count", "ratio", "percent", "share", "shape", "text"]
"""How a value is written: 1,234; 1.23; 12.3 %; 12 %; 96x96x3; as it is."""


@dataclass(frozen=True)
class Value:
    """A value of the facts, by its JSON pointer (RFC 6901)."""

    key: str
    form: Form = "count"


Words = tuple["str | Value", ...]


@dataclass(frozen=True)
class Paragraph:
    words: Words


@dataclass(frozen=True)
class Tile:
    """A headline: one number, what it is, and a remark below it."""

    label: str
    value: Value
    unit: str = ""
    note: Words = ()


@dataclass(frozen=True)
class Tiles:
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Meter:
    """What is taken, in parts, of what there is. `limit` is missing where there's no budget."""

    label: str
    parts: tuple[tuple[str, Value], ...]
    total: Value
    limit: Value | None
    note: Words = ()


@dataclass(frozen=True)
class Column:
    title: str
    number: bool = False


@dataclass(frozen=True)
class Row:
    """`mark`: why it stands out, if it does."""

    cells: tuple[Words, ...]
    mark: Literal["", "peak", "chosen"] = ""


@dataclass(frozen=True)
class Table:
    """`folded`: closed at first on a page, under its title."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    title: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Picture:
    """`legend`: names with their colours; `label` is for those who don't see the picture."""

    title: str
    scene: Scene
    label: str
    legend: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Pictures:
    """Beside each other where there's room; `aligned`: their rows are the same. `words` tell how to
    read them."""

    pictures: tuple[Picture, ...]
    aligned: bool = False
    words: Words = ()


@dataclass(frozen=True)
class Commands:
    lines: tuple[Value, ...]


Block = Paragraph | Tiles | Meter | Table | Pictures | Commands


@dataclass(frozen=True)
class Section:
    """`level` 1 begins a part of a report of several."""

    title: Words
    blocks: tuple[Block, ...]
    level: int = 2


@dataclass(frozen=True)
class Report:
    """`facts` is the whole of it for machines; all else shows parts of that."""

    title: str
    subtitle: Words
    sections: tuple[Section, ...]
    facts: Mapping[str, Any]


def words(template: str, at: str = "") -> Words:
    """Text with values: "peak {memory/peak/live_bytes} bytes", with pointers below `at`.

    A form may follow the pointer: {share:percent}.
    """
    found: list[str | Value] = []
    for index, part in enumerate(re.split(r"\{([^{}]*)\}", template)):
        if index % 2 == 0:
            found += [part] if part else []
            continue
        pointer, _, form = part.partition(":")
        assert form in ("", *get_args(Form)), form
        found.append(Value(f"{at}/{pointer}", form or "count"))  # type: ignore[arg-type]
    return tuple(found)


def look_up(facts: Any, key: str) -> Any:
    """The value at a JSON pointer.

    Raises:
        KeyError, IndexError: there is none.
    """
    for part in key.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        facts = facts[int(name)] if isinstance(facts, (list, tuple)) else facts[name]
    return facts


def pointer(name: str) -> str:
    """A name as a part of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def written(value: Any, form: Form) -> str:
    """A value as people read it."""
    if value is None:
        return "–"  # noqa: RUF001 - a dash for what there isn't
    if form == "count":
        return f"{value:,.0f}"
    if form == "ratio":
        return f"{value:,.2f}"
    if form == "percent":
        return f"{100 * value:.1f} %"
    if form == "share":
        return f"{100 * value:.0f} %"
    if form == "shape":
        # The batch of one that every tensor has tells nothing.
        sizes = value[1:] if len(value) > 1 and value[0] == 1 else value
        return "×".join(map(str, sizes)) or "1"  # noqa: RUF001
    return str(value)


def spoken(content: Words, facts: Any) -> Iterator[tuple[str, str]]:
    """(text, key) of each piece; the key is empty for what isn't a value."""
    for piece in content:
        if isinstance(piece, Value):
            yield written(look_up(facts, piece.key), piece.form), piece.key
        else:
            yield piece, ""
