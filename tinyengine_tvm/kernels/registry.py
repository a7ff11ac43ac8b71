# SPDX-License-Identifier: Apache-2.0
"""All kernels, and the choice of one per layer."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
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
from .local_search import Menu
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


@dataclass(frozen=True, eq=False)
class Options:
    """What a layer can take: one choice, or several with a menu to choose from together."""

    choices: tuple[tuple[Kernel[Any], Configuration], ...]
    menu: Menu | None


def options_of(
    network: Network, layer: Layer, target: Target, objective: Objective
) -> Options | None:
    """The defaults that there are for a layer, or None where no kernel takes it.

    They depend on the layer, its operands and its output, and what `context_of` gives.
    """
    candidates = kernels_for(network, layer, target)
    if not candidates:
        return None
    kernel = candidates[0]
    found: list[tuple[Kernel[Any], Configuration, Cost]] = []
    for k in candidates if kernel.costs(network, layer, target) else ():
        found += [(k, c, cost) for c, cost in k.costs(network, layer, target)]
    if not found:
        return Options(((kernel, kernel.choose(network, layer, target, objective)),), None)
    return Options(tuple((k, c) for k, c, _ in found), Menu([cost for _, _, cost in found]))


def context_of(network: Network, layer: Layer, target: Target) -> tuple[Hashable, ...]:
    """What a layer's options depend on beyond itself, its operands and its output."""
    return tuple(k.context(network, layer, target) for k in _with_context(type(layer)))  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def _with_context(kind: Any) -> tuple[Kernel[Any], ...]:
    own = [k for k in KERNELS if issubclass(kind, k.layer)]
    return tuple(k for k in own if type(k).context is not Kernel.context)


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
    menus: list[Menu] = []
    open_for: list[Options] = []
    for layer in network.layers:
        chosen = None if chooser is None else chooser(network, layer, target)
        if chosen is not None:
            selected.append(chosen)
            continue
        options = options_of(network, layer, target, objective)
        if options is None:
            missing.append(f"{layer.op} ({layer.name})")
            continue
        if options.menu is not None:
            open_at.append(len(selected))
            menus.append(options.menu)
            open_for.append(options)
        selected.append(Selected(layer, *options.choices[0]))
    if missing:
        raise UnsupportedOperators(missing, f"no kernel for target {target.name}")
    for at, options, choice in zip(
        open_at, open_for, choose_together(menus, objective), strict=True
    ):
        selected[at] = Selected(network.layers[at], *options.choices[choice])
    return selected
