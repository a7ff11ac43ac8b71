# SPDX-License-Identifier: Apache-2.0
"""Legalisations for operators that TVM computes through its runtime, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

LEGALISATIONS: dict[str, Callable[..., Any]] = {}
"""Relax operator -> its legalisation."""
