# SPDX-License-Identifier: Apache-2.0
"""What is searched: networks as shapes, and the space that they're drawn from."""

from .architecture import Architecture, Block, Layer
from .defaults import default_space
from .space import Genome, Space, Stage

__all__ = ["Architecture", "Block", "Genome", "Layer", "Space", "Stage", "default_space"]
