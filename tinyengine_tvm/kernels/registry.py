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
    external,
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
    external,
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
    # Layers whose configurations are chosen together: where they stand, and their options.
    open_at: list[int] = []
    open_for: list[list[tuple[Selected, Cost]]] = []
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
        found: list[tuple[Selected, Cost]] = []
        for k in candidates if kernel.costs(network, layer, target) else ():
            found += [(Selected(layer, k, c), cost) for c, cost in k.costs(network, layer, target)]
        if found:
            open_at.append(len(selected))
            open_for.append(found)
            selected.append(found[0][0])
        else:
            configuration = kernel.choose(network, layer, target, objective)
            selected.append(Selected(layer, kernel, configuration))
    if missing:
        raise UnsupportedOperators(missing, f"no kernel for target {target.name}")
    choices = choose_together([[cost for _, cost in options] for options in open_for], objective)
    for at, options, choice in zip(open_at, open_for, choices, strict=True):
        selected[at] = options[choice][0]
    return selected
