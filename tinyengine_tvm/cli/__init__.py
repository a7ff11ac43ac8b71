# SPDX-License-Identifier: Apache-2.0
"""The command `tinyengine`."""

from .app import main

__all__ = ["main"]
