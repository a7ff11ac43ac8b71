# SPDX-License-Identifier: Apache-2.0
"""Measuring compiled models: instructions, stack, SRAM and flash."""

from __future__ import annotations

from .result import (
    AddressCounts,
    Flash,
    FunctionProfile,
    LayerProfile,
    Profile,
    Sram,
)
from .run import count_model, profile_model

__all__ = [
    "AddressCounts",
    "Flash",
    "FunctionProfile",
    "LayerProfile",
    "Profile",
    "Sram",
    "count_model",
    "profile_model",
]
