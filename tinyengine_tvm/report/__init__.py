# SPDX-License-Identifier: Apache-2.0
"""Pictures and texts about compiled networks, from what their metadata and report hold."""

from .arena import ArenaMap, Box
from .arena_text import arena_text
from .files import FORMATS, write_arena
from .pareto import Point, pareto_json, pareto_scene

__all__ = [
    "FORMATS",
    "ArenaMap",
    "Box",
    "Point",
    "arena_text",
    "pareto_json",
    "pareto_scene",
    "write_arena",
]
