# SPDX-License-Identifier: Apache-2.0
"""Pictures and texts about compiled networks, from what their metadata and report hold."""

from .arena import ArenaMap, Box
from .arena_text import arena_text
from .files import FORMATS, write_arena

__all__ = ["FORMATS", "ArenaMap", "Box", "arena_text", "write_arena"]
