# SPDX-License-Identifier: Apache-2.0
"""The supernet: all networks of a space with shared weights, and how it's trained."""

from .supernet import SuperNet, recalibrate
from .train import Sandwich, Shrinking

__all__ = ["Sandwich", "Shrinking", "SuperNet", "recalibrate"]
