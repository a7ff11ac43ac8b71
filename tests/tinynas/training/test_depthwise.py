# SPDX-License-Identifier: Apache-2.0
"""Our gradient of depthwise weights against torch's in float64."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from tinynas.training import depthwise  # noqa: E402
from tinynas.training.depthwise import Depthwise, weight_gradient  # noqa: E402


def gradients(x, weight, stride, padding):  # type: ignore[no-untyped-def]
    """Of the sum of the output's sines, to the input and the weights."""
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    depthwise.depthwise(x, weight, stride, padding).sin().sum().backward()
    return x.grad, weight.grad


@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(1, 3),
    channels=st.integers(1, 40),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    taps=st.tuples(st.sampled_from((1, 3, 5, 7)), st.sampled_from((1, 3, 5, 7, 9, 11))),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    channels_last=st.booleans(),
    seed=st.integers(0, 99),
)
def test_gradients_equal_those_of_torch(
    batch: int,
    channels: int,
    size: tuple[int, int],
    taps: tuple[int, int],
    stride: tuple[int, int],
    channels_last: bool,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    x = torch.randn(batch, channels, *size)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    weight = torch.randn(channels, 1, *taps)
    padding = (taps[0] // 2, taps[1] // 2)
    ours = gradients(x, weight, stride, padding)
    exact = gradients(x.double(), weight.double(), stride, padding)
    for one, other in zip(ours, exact, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-3)


def test_the_number_of_threads_changes_no_bit() -> None:
    x, gradient = torch.randn(4, 70, 6, 6), torch.randn(4, 70, 3, 3)
    options = {"taps": (5, 5), "stride": (2, 2), "padding": (2, 2)}
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = weight_gradient(x, gradient, **options)
        torch.set_num_threads(3)
        together = weight_gradient(x, gradient, **options)
    finally:
        torch.set_num_threads(before)
    assert alone is not None and torch.equal(alone, together)


def test_without_a_compiler_torch_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = torch.randn(2, 5, 6, 6), torch.randn(5, 1, 5, 5)
    with_engine = gradients(x, weight, (1, 1), (2, 2))
    monkeypatch.setattr(depthwise, "_engine", lambda: None)
    without = gradients(x, weight, (1, 1), (2, 2))
    for one, other in zip(with_engine, without, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_layer_is_trained_by_our_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(*arguments):  # type: ignore[no-untyped-def]
        calls.append(arguments)
        return weight_gradient(*arguments)

    monkeypatch.setattr(depthwise, "weight_gradient", counted)
    layer = Depthwise(8, 8, 5, padding=2, groups=8, bias=False)
    layer(torch.randn(2, 8, 6, 6)).sum().backward()
    assert len(calls) == 1 and layer.weight.grad is not None
