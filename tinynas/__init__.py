# SPDX-License-Identifier: Apache-2.0
"""TinyNAS: finds the network that fits a given microcontroller best, and trains it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import data
from .budget import Budget
from .errors import NasError

if TYPE_CHECKING:
    from .pipeline import Options, search

__all__ = ["Budget", "NasError", "Options", "data", "search"]


def __getattr__(name: str) -> Any:
    # torch takes seconds to import, and looking at data or a budget doesn't need it.
    if name in ("Options", "search"):
        from . import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module 'tinynas' has no attribute '{name}'")
