# SPDX-License-Identifier: Apache-2.0
"""Inputs as the network sees them, and other resolutions of them."""

from __future__ import annotations

import numpy as np
import pytest

from tinynas.data.dataset import DataSet, Split, image_scaling, standardisation
from tinynas.data.resample import resampled
from tinynas.errors import NasError


def windows(samples: int = 64) -> DataSet:
    random = np.random.default_rng(3)
    units = np.array([1.0, 50.0, 0.01]).reshape(3, 1, 1)
    parts = [
        Split((random.normal(5, 2, (n, 3, 1, samples)) * units).astype(np.float32), np.arange(n))
        for n in (40, 10, 10)
    ]
    offset, divisor = standardisation(parts[0].inputs)
    return DataSet("w", *parts, ("a",), 1, offset, divisor)


def images(size: int = 12, channels: int = 3) -> DataSet:
    random = np.random.default_rng(3)
    parts = [
        Split(random.integers(0, 256, (n, channels, size, size), dtype=np.uint8), np.arange(n))
        for n in (40, 10, 10)
    ]
    return DataSet("i", *parts, ("a",), 2, *image_scaling(channels))


def test_windows_are_standardised_by_the_training_split() -> None:
    data = windows()
    seen = data.as_input(data.train.inputs)
    np.testing.assert_allclose(seen.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(seen.std(axis=(0, 2, 3)), 1, atol=1e-5)
    # The others by the same constants, which a device computes in float32.
    offset, divisor = np.float32(data.offset), np.float32(data.divisor)
    for channel in range(3):
        expected = (data.test.inputs[:, channel] - offset[channel]) / divisor[channel]
        np.testing.assert_array_equal(data.as_input(data.test.inputs)[:, channel], expected)


@pytest.mark.parametrize("size", [(5, 5), (7, 11), (12, 20), (12, 24), (6, 6), (1, 1), (30, 9)])
def test_images_are_resized_as_by_an_antialiased_bilinear_filter(size: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(9)
    values = random.integers(0, 256, (20, 3, 12, 20), dtype=np.uint8)
    exact = torch.nn.functional.interpolate(
        torch.from_numpy(values).double(), size=size, mode="bilinear", antialias=True
    )
    ours = resampled(values, size)
    assert ours.dtype == np.uint8
    # Half a step is what rounding to integers costs.
    assert np.abs(ours - exact.numpy()).max() < 0.501
    np.testing.assert_array_equal(resampled(values, (12, 20)), values)


def test_halving_averages_and_even_regions_stay_even() -> None:
    values = np.full((1, 1, 16, 16), 200, np.uint8)
    assert set(resampled(values, (5, 7)).ravel()) == {200}
    values[..., ::2] = 100
    assert set(resampled(values, (8, 8))[..., 1:-1].ravel()) == {150}


def test_resizing_in_parts_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    data = images()
    whole = resampled(data.train.inputs, (7, 7))
    monkeypatch.setattr("tinynas.data.resample.CHUNK_BYTES", 10000)
    np.testing.assert_array_equal(resampled(data.train.inputs, (7, 7)), whole)


def test_a_resized_data_set_keeps_everything_else() -> None:
    data = images()
    small = data.resized(8)
    assert small.input == (3, 8, 8)
    assert small.classes == data.classes
    for (_, before), (_, after) in zip(data.splits(), small.splits(), strict=True):
        np.testing.assert_array_equal(after.labels, before.labels)
        np.testing.assert_array_equal(after.inputs, resampled(before.inputs, (8, 8)))
    assert data.resized(12) is data
    with pytest.raises(NasError, match="resolution 0"):
        data.resized(0)


def test_windows_of_fewer_samples_span_the_same_time() -> None:
    data = windows(64)
    assert data.resized(32).input == (3, 1, 32)
    ramp = np.arange(64, dtype=np.float32).reshape(1, 1, 1, 64)
    slower = resampled(ramp, (1, 32))
    assert slower.dtype == np.float32
    np.testing.assert_allclose(slower[0, 0, 0, 1:-1], np.arange(0.5, 64, 2)[1:-1], atol=1e-4)
