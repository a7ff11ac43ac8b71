# SPDX-License-Identifier: Apache-2.0
"""Augmentation of training batches: every sample by its own draw, in a few tensor operations.

All randomness comes from the generator that is given: the same seed gives the same batches on CPU
and GPU, as long as the generator itself is on one device.
"""

from __future__ import annotations

import torch

from .dataset import Augmentation

# Zhong et al., "Random Erasing Data Augmentation", AAAI 2020: area as a share, height by width.
ERASED_AREA = (0.02, 0.4)
ERASED_ASPECT = (0.3, 1 / 0.3)


def augmented(
    batch: torch.Tensor, augmentation: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """A batch of the same shape; `batch`, float32 [n, channels, height, width], isn't changed."""
    if augmentation.kind == "images":
        if augmentation.mirror:
            batch = mirrored(batch, generator)
        batch = shifted(batch, augmentation.shift, generator)
        return erased(batch, augmentation.erase, generator)
    if augmentation.kind == "windows":
        batch = moved_in_time(batch, augmentation.shift, generator)
        batch = stretched(batch, augmentation.stretch, generator)
        return scaled(batch, augmentation.scaling, augmentation.jitter, generator)
    return batch


def uniform(size: tuple[int, ...], like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Uniform float32 in 0..1, drawn where the generator is and moved to where the batch is."""
    return torch.rand(size, generator=generator, device=generator.device).to(like.device)


def integers(limit: int, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """int64 [n] of 0 to `limit`, both included."""
    drawn = torch.randint(limit + 1, (len(like),), generator=generator, device=generator.device)
    return drawn.to(like.device)


def normal(size: tuple[int, ...], like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(size, generator=generator, device=generator.device).to(like.device)


def mirrored(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Half of the images, left and right exchanged."""
    which = uniform((len(batch), 1, 1, 1), batch, generator) < 0.5
    return torch.where(which, batch.flip(3), batch)


def shifted(batch: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Every image moved by up to `share` of its size, each way; zeros move in."""
    height, width = batch.shape[2:]
    down, across = round(share * height), round(share * width)
    if not (down or across):
        return batch
    padded = torch.nn.functional.pad(batch, (across, across, down, down))
    # A view of all crops; only the chosen ones are copied.
    crops = padded.unfold(2, height, 1).unfold(3, width, 1)
    rows = integers(2 * down, batch, generator)
    columns = integers(2 * across, batch, generator)
    return crops[torch.arange(len(batch), device=batch.device), :, rows, columns]


def erased(batch: torch.Tensor, probability: float, generator: torch.Generator) -> torch.Tensor:
    """A share of the images, with a rectangle of uniform noise in 0..1."""
    if probability <= 0:
        return batch
    count, _, height, width = batch.shape
    chosen, area, aspect, top, left = uniform((5, count, 1), batch, generator)
    area = (ERASED_AREA[0] + (ERASED_AREA[1] - ERASED_AREA[0]) * area) * (height * width)
    aspect = ERASED_ASPECT[0] * (ERASED_ASPECT[1] / ERASED_ASPECT[0]) ** aspect

    def inside(extent: torch.Tensor, start: torch.Tensor, size: int) -> torch.Tensor:
        extent = extent.round().clamp(1, size)
        start = (start * (size - extent + 1)).floor()
        places = torch.arange(size, device=batch.device)
        return (places >= start) & (places < start + extent)

    rows = inside((area * aspect).sqrt(), top, height) & (chosen < probability)
    columns = inside((area / aspect).sqrt(), left, width)
    mask = (rows[:, :, None] & columns[:, None, :])[:, None]
    noise = uniform(tuple(batch.shape), batch, generator)
    return torch.where(mask, noise, batch)


def moved_in_time(batch: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Every window moved by up to `share` of its length; its edge value fills the gap."""
    samples = batch.shape[3]
    most = round(share * samples)
    if not most:
        return batch
    offset = integers(2 * most, batch, generator) - most
    places = torch.arange(samples, device=batch.device) + offset[:, None]
    places = places.clamp(0, samples - 1)[:, None, None, :]
    return batch.gather(3, places.expand_as(batch))


def stretched(batch: torch.Tensor, spread: float, generator: torch.Generator) -> torch.Tensor:
    """Every window as if done slower or faster, about its middle; its edge values fill gaps.

    The logarithm of the speed has the standard deviation `spread`. Linear between samples.
    """
    if not spread:
        return batch
    samples = batch.shape[3]
    speed = torch.exp(spread * normal((len(batch), 1), batch, generator))
    middle = (samples - 1) / 2
    places = (torch.arange(samples, device=batch.device) - middle) * speed + middle
    places = places.clamp(0, samples - 1)
    before = places.floor().long().clamp(max=samples - 2)
    part = (places - before)[:, None, None, :]
    before = before[:, None, None, :].expand_as(batch)
    return batch.gather(3, before) * (1 - part) + batch.gather(3, before + 1) * part


def scaled(
    batch: torch.Tensor, scaling: float, jitter: float, generator: torch.Generator
) -> torch.Tensor:
    """Channels with another gain, and noise on every value.

    Um et al., "Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring using
    Convolutional Neural Networks", ICMI 2017.
    """
    if scaling > 0:
        batch = batch * (1 + scaling * normal((*batch.shape[:2], 1, 1), batch, generator))
    if jitter > 0:
        batch = batch + jitter * normal(tuple(batch.shape), batch, generator)
    return batch


def turned(raw: torch.Tensor, degrees: float, generator: torch.Generator) -> torch.Tensor:
    """Windows as a sensor would give that sits on the body at another angle.

    The channels of `raw`, in the sensor's own unit, are vectors of three; those of one sample turn
    together, about an axis drawn at random, by an angle with this standard deviation. Um et al.
    (above) call it rotation.
    """
    if not degrees:
        return raw
    count, channels = raw.shape[:2]
    axis = torch.nn.functional.normalize(normal((count, 3), raw, generator), dim=1)
    angle = torch.deg2rad(degrees * normal((count, 1, 1), raw, generator))
    x, y, z = axis.unbind(1)
    none = torch.zeros_like(x)
    # Rodrigues' formula; the matrix gives the cross product with the axis.
    cross = torch.stack((none, -z, y, z, none, -x, -y, x, none), 1).reshape(count, 3, 3)
    turn = torch.eye(3, device=raw.device) + angle.sin() * cross + (1 - angle.cos()) * cross @ cross
    vectors = raw.reshape(count, channels // 3, 3, -1)
    return (turn[:, None] @ vectors).reshape(raw.shape)
