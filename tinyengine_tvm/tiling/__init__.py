# SPDX-License-Identifier: Apache-2.0
"""Regions of layers that are computed together, a part at a time, so that less SRAM is needed."""

from .goal import MAC_FACTOR, WHOLE, Goal
from .pareto import curve
from .plans import Planner, Tiling, tile

__all__ = ["MAC_FACTOR", "WHOLE", "Goal", "Planner", "Tiling", "curve", "tile"]
