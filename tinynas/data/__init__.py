# SPDX-License-Identifier: Apache-2.0
"""Data sets of the search. Nothing but `augment` imports torch."""

from .check import check
from .dataset import Augmentation, DataSet, Split
from .registry import TASKS, load
from .torch_data import from_torch

__all__ = ["TASKS", "Augmentation", "DataSet", "Split", "check", "from_torch", "load"]
