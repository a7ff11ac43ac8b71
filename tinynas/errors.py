# SPDX-License-Identifier: Apache-2.0
"""Errors of the search that a user can cause: one line with cause and cure, exit code 2."""

from __future__ import annotations

from tinyengine_tvm.errors import TinyEngineError


class NasError(TinyEngineError):
    """A data set, a space or a budget that can't be searched."""
