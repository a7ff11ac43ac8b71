# SPDX-License-Identifier: Apache-2.0
"""Kernels for the parts of a layer that a region computes one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import UnsupportedOperators
from ..kernels.base import Configuration, Kernel
from ..kernels.registry import Selected, kernels_for
from ..network import Layer, Network
from ..targets import Target
from .stages import Rect, Shape, part_of

Frugality = Literal["shared", "small"]
"""shared: configurations near those of whole layers, whose code is there already; small: those with
the least scratch."""


@dataclass(frozen=True, eq=False)
class Part:
    """One shape of a layer's part, with the kernel that computes it. `scratch` is in bytes."""

    network: Network
    layer: Layer
    kernel: Kernel[Any]
    configuration: Configuration
    scratch: int
    in_place: bool
    """Whether the output may be written over the first input, beginning where that begins."""


@dataclass
class Parts:
    """Finds kernels for parts of a network's layers, and remembers them.

    `selected` holds the choice for each whole layer, by name.
    """

    network: Network
    target: Target
    selected: Mapping[str, Selected]
    _networks: dict[tuple[str, Shape], tuple[Network, Layer]] = field(default_factory=dict)
    _found: dict[Any, dict[Shape, Part]] = field(default_factory=dict)
    _spaces: dict[Any, list[tuple[Configuration, int]]] = field(default_factory=dict)

    def find(
        self,
        layer: Layer,
        wanted: Iterable[tuple[Shape, Rect]],
        frugality: Frugality,
        *,
        aligned: bool,
    ) -> dict[Shape, Part]:
        """One kernel for all these parts of a layer.

        `aligned`: every pointer that the kernel gets is a multiple of 4; else only portable
        kernels are taken, which read and write bytes.

        Raises:
            UnsupportedOperators: no kernel computes all of them.
        """
        rects = dict(sorted(dict(wanted).items(), key=lambda item: item[0], reverse=True))
        key = layer.name, tuple(rects), frugality, aligned
        if key not in self._found:
            self._found[key] = self._find(layer, rects, frugality, aligned)
        return self._found[key]

    def _find(
        self, layer: Layer, rects: dict[Shape, Rect], frugality: Frugality, aligned: bool
    ) -> dict[Shape, Part]:
        parts = {shape: self._part(layer, shape, rect) for shape, rect in rects.items()}
        network, first = next(iter(parts.values()))
        candidates = [
            kernel
            for kernel in kernels_for(network, first, self.target)
            if (aligned or not kernel.name.endswith(("_dsp", "_mve")))
            and all(kernel.supports(*part, self.target) for part in parts.values())
        ]
        if not candidates:
            raise UnsupportedOperators(
                [f"{layer.op} ({layer.name})"], f"no kernel for its parts on {self.target.name}"
            )
        # The whole layer's kernel, if it can: its code and its constants may be shared.
        whole = self.selected[layer.name]
        candidates.sort(key=lambda kernel: kernel is not whole.kernel)
        kernel = candidates[0]
        wanted = whole.configuration if kernel is whole.kernel else None
        result: dict[Shape, Part] = {}
        allowed = None if frugality == "shared" else 0
        for shape, part in parts.items():
            configuration, scratch = self._choose(kernel, layer, shape, part, wanted, allowed)
            if frugality == "small" and not result:
                # Parts of one configuration share their weights.
                wanted, allowed = configuration, scratch
            wanted = configuration if wanted is None else wanted
            in_place = 0 in kernel.in_place(*part, configuration)
            result[shape] = Part(*part, kernel, configuration, scratch, in_place)
        return result

    def _choose(
        self,
        kernel: Kernel[Any],
        layer: Layer,
        shape: Shape,
        part: tuple[Network, Layer],
        wanted: Configuration | None,
        allowed: int | None,
    ) -> tuple[Configuration, int]:
        """The configuration nearest to the one wanted, with `allowed` bytes of scratch if any."""
        key = kernel.name, layer.name, shape
        if key not in self._spaces:
            space = kernel.configurations(*part, self.target)
            self._spaces[key] = [(c, kernel.scratch(*part, c)) for c in space]

        def apart(item: tuple[Configuration, int]) -> tuple[int, int]:
            configuration, scratch = item
            others = sum(configuration.get(k) != v for k, v in (wanted or {}).items())
            return (0 if allowed is None else max(0, scratch - allowed)), others

        return min(self._spaces[key], key=apart)

    def _part(self, layer: Layer, shape: Shape, part: Rect) -> tuple[Network, Layer]:
        # Kernels remember what they derive from a layer by its identity.
        key = layer.name, shape
        if key not in self._networks:
            self._networks[key] = part_of(self.network, layer, part)
        return self._networks[key]
