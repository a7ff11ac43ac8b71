# SPDX-License-Identifier: Apache-2.0
"""Our engine beside its peers: the same models, emulated boards, inputs and counting."""

from __future__ import annotations

from .peers import Peers
from .rows import Absent, Bench, Row
from .run import bench
from .subject import Subject

__all__ = ["Absent", "Bench", "Peers", "Row", "Subject", "bench"]
