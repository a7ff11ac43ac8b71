# SPDX-License-Identifier: Apache-2.0
"""All kernels, and the choice of one per layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UnsupportedOperators
from ..network import Layer, Network
from ..targets import Target
from . import (
    add,
    clip,
    concat,
    conv2d,
    dense,
    depthwise,
    mean,
    mul,
    pad,
    pool,
    quantize,
    reshape,
    resize,
    softmax,
    transpose,
)
from .base import Configuration, Cost, Kernel, Objective
from .selection import choose_together

_FAMILIES: tuple[Any, ...] = (
    conv2d,
    depthwise,
    dense,
    add,
    mul,
    pool,
    mean,
    pad,
    reshape,
    transpose,
    concat,
    softmax,
    clip,
    quantize,
    resize,
)

KERNELS: tuple[Kernel[Any], ...] = tuple(k for family in _FAMILIES for k in family.KERNELS)
"""Every kernel; within a family the preferred ones stand first."""

REFERENCE: dict[type[Layer], Callable[[Network, Any, list[np.ndarray]], np.ndarray]] = {
    layer: function for family in _FAMILIES for layer, function in family.REFERENCE.items()
}
"""The numpy semantics of every layer type."""


@dataclass(frozen=True)
class Selected:
    """A layer with the kernel and the configuration that compute it."""

    layer: Layer
    kernel: Kernel[Any]
    configuration: Configuration


Chooser = Callable[[Network, Layer, Target], "Selected | None"]
"""What knows better than the defaults: the choice for a layer, or None where it doesn't."""


def kernels_for(network: Network, layer: Layer, target: Target) -> list[Kernel[Any]]:
    """The kernels that compute this layer on this target, preferred ones first."""
    return [k for k in KERNELS if isinstance(layer, k.layer) and k.supports(network, layer, target)]


def select_kernels(
    network: Network,
    target: Target,
    objective: Objective = "speed",
    chooser: Chooser | None = None,
) -> list[Selected]:
    """The chooser's or else the default kernel and configuration of every layer, in order.

    Raises:
        UnsupportedOperators: names every layer without a kernel.
    """
    selected: list[Selected] = []
    missing: list[str] = []
    together: list[int] = []
    options: list[list[Selected]] = []
    costs: list[list[Cost]] = []
    for layer in network.layers:
        candidates = kernels_for(network, layer, target)
        if not candidates:
            missing.append(f"{layer.op} ({layer.name})")
            continue
        chosen = None if chooser is None else chooser(network, layer, target)
        if chosen is not None:
            selected.append(chosen)
            continue
        kernel = candidates[0]
        if kernel.costs(network, layer, target):
            found = [(k, *o) for k in candidates for o in k.costs(network, layer, target)]
            together.append(len(selected))
            options.append([Selected(layer, k, configuration) for k, configuration, _ in found])
            costs.append([cost for _, _, cost in found])
        configuration = kernel.choose(network, layer, target, objective)
        selected.append(Selected(layer, kernel, configuration))
    if missing:
        raise UnsupportedOperators(missing, f"no kernel for target {target.name}")
    for at, own, taken in zip(together, options, choose_together(costs, objective), strict=True):
        selected[at] = own[taken]
    return selected
