# SPDX-License-Identifier: Apache-2.0
"""What a network costs on a microcontroller, fast enough to search with."""

from .costs import Costs
from .hardware import MODELS, Hardware, within
from .latency import latency_cycles
from .models import tflm_arena, tinyengine_peak
from .network import network_of
from .twin import Chosen, Twin

__all__ = [
    "MODELS",
    "Chosen",
    "Costs",
    "Hardware",
    "Twin",
    "latency_cycles",
    "network_of",
    "tflm_arena",
    "tinyengine_peak",
    "within",
]
