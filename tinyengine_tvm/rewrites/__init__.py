# SPDX-License-Identifier: Apache-2.0
"""Rewrites of a Network: each gives a network with the same results, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from ..network import Network, verify
from .cancel_transposes import cancel_transposes
from .dead_channels import remove_dead_channels
from .fold_mul import fold_mul
from .fold_padding import fold_padding
from .fuse_clip import fuse_clip
from .fuse_interface import fuse_interface
from .merge_reshapes import merge_reshapes
from .whole_average_pool import whole_average_pool

Rewrite = Callable[[Network], Network]

REWRITES: Mapping[str, Rewrite] = MappingProxyType(
    {
        # First: a transpose between two layers hides from every other rewrite that they meet.
        "cancel_transposes": cancel_transposes,
        # After cancel_transposes, which leaves reshapes where a transpose moved only ones.
        "merge_reshapes": merge_reshapes,
        # After cancel_transposes: padding is only recognised in NHWC, right before its layer.
        "fold_padding": fold_padding,
        # After cancel_transposes, which moves transposes out from between a layer and its clip.
        "fuse_clip": fuse_clip,
        # After cancel_transposes, which moves transposes out from between conversions.
        "fuse_interface": fuse_interface,
        # After fuse_clip: the product's clamp becomes its layer's.
        "fold_mul": fold_mul,
        # After cancel_transposes: planes are those of NHWC.
        "whole_average_pool": whole_average_pool,
        # Last: every clamp and every pad that is part of its layer makes more channels constant.
        "dead_channels": remove_dead_channels,
    }
)
"""Name -> rewrite, in the order in which they run."""


def apply(network: Network, disabled: Collection[str] = frozenset()) -> Network:
    """Runs every rewrite that isn't disabled, in order, and verifies the network after each.

    Raises:
        NetworkError: a rewrite broke the network: a defect of this compiler.
        ValueError: `disabled` names a rewrite that doesn't exist.
    """
    unknown = sorted(set(disabled) - set(REWRITES))
    if unknown:
        raise ValueError(f"no rewrite is named {', '.join(unknown)}")
    for name, rewrite in REWRITES.items():
        if name not in disabled:
            network = verify(rewrite(network))
    return network


__all__ = ["REWRITES", "Rewrite", "apply"]
