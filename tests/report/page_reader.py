# SPDX-License-Identifier: Apache-2.0
"""Reads a report's page as a browser would: its texts, which value each shows, and its JSON."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
VOID = {"meta", "link", "br"}


@dataclass
class Page(HTMLParser):
    """`shown`: (key, text) of every element with a key; `loose`: all other texts, with the tag and
    class of what they stand in; `tags`: every tag with its attributes."""

    shown: list[tuple[str, str]] = field(default_factory=list)
    loose: list[tuple[str, str, str]] = field(default_factory=list)
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    facts: Any = None

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1][0] == tag, f"</{tag}> closes <{self._open[-1][0]}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._open or not data.strip():
            return
        tag, attributes = self._open[-1]
        if tag == "script":
            self.facts = json.loads(data)
        elif tag not in ("style", "title"):
            if attributes.get("data-key"):
                self.shown.append((str(attributes["data-key"]), data))
            else:
                self.loose.append((tag, attributes.get("class") or "", data))


def read_page(html: str) -> Page:
    """The page; fails where elements aren't nested as they should be."""
    page = Page()
    page.feed(html)
    page.close()
    assert page._open == []
    assert page.facts is not None
    return page


def value_at(facts: Any, key: str) -> Any:
    for part in key.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        facts = facts[int(name)] if isinstance(facts, list) else facts[name]
    return facts


def agrees(text: str, value: Any) -> bool:
    """Whether a text says this value, to as many digits as it has."""
    if value is None:
        return text == "–"  # noqa: RUF001
    if isinstance(value, str):
        return text == value
    if isinstance(value, list):
        sizes = [int(size) for size in re.findall(r"\d+", text)]
        return sizes in (value, value[1:])
    found = NUMBER.fullmatch(text.removesuffix(" %"))
    if found is None:
        return False
    said = float(found[0].replace(",", ""))
    digits = len(found[0].partition(".")[2])
    exact = 100 * value if text.endswith(" %") else value
    return abs(said - exact) <= 0.5 * 10**-digits + 1e-9
