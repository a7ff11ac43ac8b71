# SPDX-License-Identifier: Apache-2.0
"""MCUNet's space for ImageNet (Lin et al., NeurIPS 2020), and the choices that were published.

The paper scales the mobile space of MnasNet and ProxylessNAS: widths 0.2 to 1.0 and resolutions 48
to 224, so 108 pairs, each with 2 x 10^19 networks. Channels are those of Once-for-All's
ProxylessNAS supernet, rounded to multiples of 8. There is no pointwise convolution before the
pooling: its 1,280 channels and the 1,000 classes alone would take 1.28 MB of flash.
"""

from __future__ import annotations

from dataclasses import dataclass

from .space import Space, Stage

CHANNELS = (24, 40, 80, 96, 192, 320)
STRIDES = (2, 2, 2, 1, 2, 1)


@dataclass(frozen=True)
class Published:
    """A budget in kB, and the width and resolution that MCUNet chose for it (its figure 12)."""

    sram: int
    flash: int
    width: float
    resolution: int


PUBLISHED = (
    Published(192, 512, 0.4, 112),
    Published(192, 2048, 0.8, 80),
    Published(256, 512, 0.3, 144),
    Published(256, 1024, 0.5, 128),
    Published(320, 1024, 0.5, 144),
    Published(448, 1024, 0.5, 176),
    Published(448, 2048, 0.9, 128),
    Published(512, 512, 0.3, 208),
    Published(512, 1024, 0.5, 176),
    Published(512, 2048, 0.9, 144),
)


def mcunet_space(classes: int = 1000, head: int = 0) -> Space:
    """The space. `head`: channels of the pointwise convolution before the pooling; 0 for none."""
    last = len(CHANNELS) - 1
    return Space(
        channels=3,
        classes=classes,
        stages=tuple(
            Stage(channels, stride, depths=(1,) if index == last else (2, 3, 4))
            for index, (channels, stride) in enumerate(zip(CHANNELS, STRIDES, strict=True))
        ),
        widths=tuple(tenths / 10 for tenths in range(2, 11)),
        resolutions=tuple(range(48, 225, 16)),
        stem=32,
        first=16,
        head=head,
        divisor=8,
    )
