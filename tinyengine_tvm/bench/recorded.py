# SPDX-License-Identifier: Apache-2.0
"""Counts of peers that were measured once, for those that aren't at hand.

peers.json holds exact counts on the same emulated boards, with the versions and flags behind them;
rows are matched by the name of the model's file.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

from .rows import Row

FILE = Path(__file__).with_name("peers.json")


@cache
def _content() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return content


def recorded_facts() -> dict[str, Any]:
    """Versions, flags, and what the columns count."""
    return {key: _content()[key] for key in ("unit", "versions", "flags", "sram")}


def recorded_rows(model: str, board: str, core: str, measured: Collection[str] = ()) -> list[Row]:
    """Rows of engines that aren't among the `measured`; each says that it is recorded."""
    facts = recorded_facts()
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    found = []
    for entry in _content()["rows"]:
        same = entry["model"] == model and entry["core"] == core
        if not same or entry["engine"] in measured:
            continue
        own = f"{entry['note']}; " if entry.get("note") else ""
        found.append(
            Row(
                entry["engine"],
                model,
                board,
                core,
                "recorded",
                entry["macs"],
                entry["instructions"],
                None,
                entry["sram_bytes"],
                entry["stack_bytes"],
                entry["weights_flash_bytes"],
                entry["code_flash_bytes"],
                note=f"{own}recorded, not measured now: {versions}; flags {facts['flags']}",
            )
        )
    return found
