# SPDX-License-Identifier: Apache-2.0
"""Every sample gets its own draw, only from the generator, and keeps what the rule promises."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tinynas.data.augment import augmented, turned  # noqa: E402
from tinynas.data.dataset import Augmentation  # noqa: E402

EVERYTHING = (
    Augmentation("images", shift=0.1, mirror=True, erase=0.5),
    Augmentation("windows", shift=0.1, stretch=0.1, scaling=0.1, jitter=0.05),
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_of(count: int, *shape: int) -> torch.Tensor:
    """Every value differs from every other, none is 0."""
    return torch.arange(1, count * int(np.prod(shape)) + 1).float().reshape(count, *shape)


@pytest.mark.parametrize("augmentation", EVERYTHING, ids=lambda a: a.kind)
def test_all_randomness_comes_from_the_generator(augmentation: Augmentation) -> None:
    shape = (3, 20, 20) if augmentation.kind == "images" else (6, 1, 64)
    batch = batch_of(32, *shape)
    before = batch.clone()
    torch.manual_seed(1)
    first = augmented(batch, augmentation, seeded(7))
    torch.manual_seed(2)
    assert torch.equal(first, augmented(batch, augmentation, seeded(7)))
    assert not torch.equal(first, augmented(batch, augmentation, seeded(8)))
    assert torch.equal(batch, before)
    assert first.shape == batch.shape
    assert first.dtype == torch.float32


def test_shifts_are_those_of_a_loop_over_the_samples() -> None:
    batch = batch_of(200, 2, 10, 12)
    result = augmented(batch, Augmentation("images", shift=0.2), seeded(3))
    padded = np.pad(batch.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)))
    seen = set()
    for sample, moved in zip(padded, result.numpy(), strict=True):
        places = [
            (row, column)
            for row in range(5)
            for column in range(5)
            if np.array_equal(moved, sample[:, row : row + 10, column : column + 12])
        ]
        assert len(places) == 1
        seen.update(places)
    # 200 draws of 25 places: one is left out with a probability below 1 %.
    assert len(seen) == 25


def test_about_half_of_the_images_are_mirrored_and_the_rest_untouched() -> None:
    batch = batch_of(400, 1, 5, 7)
    result = augmented(batch, Augmentation("images", mirror=True), seeded(3))
    same = (result == batch).flatten(1).all(1)
    flipped = (result == batch.flip(3)).flatten(1).all(1)
    assert bool((same ^ flipped).all())
    assert 160 < int(flipped.sum()) < 240


def test_an_erased_part_is_one_rectangle_of_noise() -> None:
    # Noise is below 1, so every value of 2 is an untouched one.
    batch = torch.full((400, 3, 16, 20), 2.0)
    result = augmented(batch, Augmentation("images", erase=0.5), seeded(4))
    touched = (result != 2).numpy()
    assert float(result[result != 2].min()) >= 0
    assert float(result[result != 2].max()) <= 1
    erased = 0
    for sample in touched:
        np.testing.assert_array_equal(sample[0], sample[1])
        rows, columns = sample[0].any(1), sample[0].any(0)
        np.testing.assert_array_equal(sample[0], rows[:, None] & columns[None, :])
        for line in (rows, columns):
            assert np.count_nonzero(np.diff(np.pad(line.astype(int), 1))) in (0, 2)
        if sample.any():
            erased += 1
            # 2 to 40 % of 320 pixels, with its sides rounded.
            assert 4 <= sample[0].sum() <= 150
    assert 160 < erased < 240
    # Up to each of the four edges.
    image = touched.any(axis=(0, 1))
    assert all(edge.any() for edge in (image[0], image[-1], image[:, 0], image[:, -1]))


def test_windows_move_in_time_with_all_channels_together() -> None:
    batch = batch_of(300, 3, 1, 20)
    result = augmented(batch, Augmentation("windows", shift=0.2), seeded(3)).numpy()
    seen = set()
    for sample, moved in zip(batch.numpy(), result, strict=True):
        offset = int(moved[0, 0, 10] - sample[0, 0, 10])
        seen.add(offset)
        places = np.clip(np.arange(20) + offset, 0, 19)
        np.testing.assert_array_equal(moved, sample[:, :, places])
    assert seen == set(range(-4, 5))


def test_a_stretched_line_has_another_slope_about_the_same_middle() -> None:
    samples = 9
    line = torch.arange(float(samples)).expand(4000, 2, 1, samples)
    found = augmented(line, Augmentation("windows", stretch=0.1), seeded(1))
    middle = samples // 2
    assert torch.equal(found[..., middle], line[..., middle])
    assert torch.equal(found[:, 0], found[:, 1])
    assert 0 <= found.min() <= found.max() <= samples - 1
    # Away from the edges, where values would have to be made up.
    speed = found[:, 0, 0, middle + 1] - found[:, 0, 0, middle]
    torch.testing.assert_close(found[:, 0, 0, middle] - found[:, 0, 0, middle - 1], speed)
    assert speed.log().std() == pytest.approx(0.1, rel=0.05)
    assert speed.log().mean() == pytest.approx(0, abs=0.01)


def test_scaling_and_jitter_have_the_stated_spread() -> None:
    ones = torch.ones(2000, 6, 1, 8)
    gains = augmented(ones, Augmentation("windows", scaling=0.1), seeded(1))
    assert torch.equal(gains, gains[..., :1].expand_as(gains))
    assert float(gains.std()) == pytest.approx(0.1, rel=0.05)
    noisy = augmented(ones, Augmentation("windows", jitter=0.05), seeded(1))
    assert float((noisy - 1).std()) == pytest.approx(0.05, rel=0.05)


def test_nothing_means_nothing() -> None:
    batch = batch_of(4, 1, 6, 6)
    for kind in ("none", "images", "windows"):
        assert torch.equal(augmented(batch, Augmentation(kind), seeded(1)), batch)


def test_vectors_are_turned_together_and_keep_their_lengths() -> None:
    vectors = torch.from_numpy(np.random.default_rng(0).standard_normal((2000, 6, 1, 5)))
    vectors = vectors.float()
    result = turned(vectors, 15.0, seeded(2))

    def pairs(x: torch.Tensor) -> torch.Tensor:
        """Products of every vector with every other of the same sample."""
        columns = x[:, :, 0].reshape(len(x), 2, 3, 5).permute(0, 2, 1, 3).flatten(2)
        return columns.transpose(1, 2) @ columns

    torch.testing.assert_close(pairs(result), pairs(vectors), rtol=1e-4, atol=1e-4)
    first, then = vectors[:, :3, 0, 0], result[:, :3, 0, 0]
    axis = torch.linalg.cross(first, then)
    # A right turn is as probable as a left one, about every axis.
    assert float(torch.nn.functional.normalize(axis, dim=1).mean(0).abs().max()) < 0.05
    assert torch.equal(turned(vectors, 0.0, seeded(2)), vectors)


def test_the_angles_have_the_stated_spread() -> None:
    """The trace of a rotation by an angle is 1 + 2 cos."""
    basis = torch.eye(3).repeat(4000, 1, 1)[:, :, None]
    result = turned(basis, 15.0, seeded(5))[:, :, 0]
    trace = result.diagonal(dim1=1, dim2=2).sum(1)
    angle = torch.rad2deg(torch.arccos(((trace - 1) / 2).clamp(-1, 1)))
    assert float(angle.square().mean().sqrt()) == pytest.approx(15.0, rel=0.05)
