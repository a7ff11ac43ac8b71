# SPDX-License-Identifier: Apache-2.0
"""The command `tinynas`."""

import os

# Read by the OpenMP runtime when torch is loaded: idle threads that spin starve other processes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from .app import main

__all__ = ["main"]
