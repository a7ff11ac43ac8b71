# SPDX-License-Identifier: Apache-2.0
"""Memory planning: lifetimes of tensors and scratch, and their places in one arena."""

from .bound import lower_bound
from .buffer import Buffer, Separation, Together, disjoint
from .check import PlanError, check_placement, check_plan
from .lifetimes import joinable, lifetimes, pieces, views
from .overlap import Rules
from .placement import Placement, place
from .plan import MemoryPlan, plan_memory
from .relief import Option, plan_with_options

__all__ = [
    "Buffer",
    "MemoryPlan",
    "Option",
    "Placement",
    "PlanError",
    "Rules",
    "Separation",
    "Together",
    "check_placement",
    "check_plan",
    "disjoint",
    "joinable",
    "lifetimes",
    "lower_bound",
    "pieces",
    "place",
    "plan_memory",
    "plan_with_options",
    "views",
]
