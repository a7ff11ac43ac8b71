# SPDX-License-Identifier: Apache-2.0
"""Data sets of the search. Nothing here imports torch until it's used."""

from .dataset import Augmentation, DataSet, Split

__all__ = ["Augmentation", "DataSet", "Split"]
