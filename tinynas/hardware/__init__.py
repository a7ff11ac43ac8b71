# SPDX-License-Identifier: Apache-2.0
"""What a network costs on a microcontroller, fast enough to search with."""

from .costs import Costs
from .network import network_of
from .twin import Chosen, Twin

__all__ = ["Chosen", "Costs", "Twin", "network_of"]
