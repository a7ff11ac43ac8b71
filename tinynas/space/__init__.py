# SPDX-License-Identifier: Apache-2.0
"""What is searched: networks as shapes, and the space that they're drawn from."""

from .architecture import Architecture, Block, Layer
from .choose import Candidate, Judge, Singly, SpaceChoice, choose_space, rank_spaces
from .defaults import default_space
from .space import Genome, Space, Stage

__all__ = [
    "Architecture",
    "Block",
    "Candidate",
    "Genome",
    "Judge",
    "Layer",
    "Singly",
    "Space",
    "SpaceChoice",
    "Stage",
    "choose_space",
    "default_space",
    "rank_spaces",
]
