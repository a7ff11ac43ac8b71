# SPDX-License-Identifier: Apache-2.0
"""Export, quantisation and distillation, against onnxruntime and by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.tinynas.spaces import IMAGES, PLAIN, WINDOWS  # noqa: E402
from tinyengine_tvm.validate import quantised  # noqa: E402
from tinynas.finish.distil import Distillation, Student  # noqa: E402
from tinynas.finish.export import export_float, outputs_of, quantise  # noqa: E402
from tinynas.finish.qat import RoundedWeight, rounding  # noqa: E402
from tinynas.space import Space  # noqa: E402
from tinynas.training.network import StaticNetwork  # noqa: E402


def network_of(space: Space, seed: int = 0) -> StaticNetwork:
    """With statistics and scales of batch normalisation that aren't the first ones."""
    torch.manual_seed(seed)
    network = StaticNetwork(space.architecture(space.extreme(False)))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    return network.eval()


def inputs_for(network: StaticNetwork, count: int = 20) -> np.ndarray:
    shape = (count, *network.architecture.input)
    return np.random.default_rng(1).random(shape, np.float32)


@pytest.mark.parametrize("space", [PLAIN, WINDOWS, IMAGES], ids=["plain", "windows", "attention"])
def test_the_exported_network_computes_what_torch_does(space: Space, tmp_path: Path) -> None:
    network = network_of(space)
    path = export_float(network, network.architecture.input, tmp_path / "net.onnx")
    inputs = inputs_for(network)
    with torch.no_grad():
        expected = network(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(outputs_of(path, inputs), expected, atol=1e-4)


def test_quantised_is_close_to_float_and_named(tmp_path: Path) -> None:
    import onnx

    network = network_of(PLAIN)
    inputs = inputs_for(network, 60)
    source = export_float(network, network.architecture.input, tmp_path / "float.onnx")
    path = quantise(source, inputs[:30], tmp_path / "net.onnx", "my_net")
    assert onnx.load(path).graph.name == "my_net"
    exact, rounded = outputs_of(source, inputs), outputs_of(path, inputs)
    assert np.abs(exact - rounded).max() < 0.1 * np.abs(exact).max()
    assert not np.array_equal(exact, rounded)
    types = {t.data_type for t in onnx.load(path).graph.initializer if t.name.endswith("quantized")}
    assert onnx.TensorProto.INT8 in types


def test_the_same_network_gives_the_same_file(tmp_path: Path) -> None:
    data = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        network = network_of(PLAIN)
        inputs = inputs_for(network)
        source = export_float(network, network.architecture.input, tmp_path / name / "f.onnx")
        data.append(quantise(source, inputs, tmp_path / name / "q.onnx", "net").read_bytes())
    assert data[0] == data[1]


def test_inputs_are_quantised_as_the_model_would() -> None:
    port = {"dtype": "int8", "scale": 1 / 255, "zero_point": -128}
    values = np.array([0.0, 0.5 / 255, 1.5 / 255, 2.5 / 255, 1.0, 2.0, -1.0], np.float32)
    # Halves go to the even neighbour.
    assert quantised(values, port).tolist() == [-128, -128, -126, -126, 127, 127, -128]


def test_pixels_are_stored_as_they_are() -> None:
    pixels = np.arange(256, dtype=np.uint8)
    port = {"dtype": "int8", "scale": float(np.float32(1 / 255)), "zero_point": -128}
    stored = quantised(pixels.astype(np.float32) / np.float32(255), port)
    assert np.array_equal(stored.astype(np.int16) + 128, pixels)


def test_rounding_is_int8_per_channel_and_leaves_no_trace() -> None:
    network = network_of(PLAIN)
    x = torch.from_numpy(inputs_for(network))
    before, keys = network(x), set(network.state_dict())
    exact = network.stem.conv.weight.detach().clone()
    with rounding(network):
        network.train()
        network(x)
        network.eval()
        inside = network(x)
        steps = network.stem.conv.weight / (exact.abs().amax((1, 2, 3), keepdim=True) / 127)
        torch.testing.assert_close(steps, steps.round(), atol=1e-3, rtol=0)
        assert len({round(float(v), 5) for v in network.stem(x).detach().unique()}) <= 256
    assert set(network.state_dict()) == keys
    assert torch.equal(network.stem.conv.weight, exact)
    # Training mode has moved the statistics; with the old ones nothing has changed.
    assert not torch.equal(inside, before)


def test_gradients_pass_the_rounding() -> None:
    weight = torch.randn(4, 3, requires_grad=True)
    (RoundedWeight()(weight) * torch.arange(12.0).reshape(4, 3)).sum().backward()
    assert torch.equal(weight.grad, torch.arange(12.0).reshape(4, 3))


def test_the_student_learns_what_the_teacher_says() -> None:
    """Alone with the teacher, the loss is least where the student says the same."""
    said = torch.tensor([[[2.0, 0.0, -1.0], [0.0, 1.0, 3.0]]]).half()
    labels = torch.tensor([0, 0])
    logits = torch.nn.Parameter(said[0].float().clone())

    class Says(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return logits

    options = Distillation(weight=1.0, temperature=2.0, views=1)
    step = Student(Says(), labels, said, 1, options, 0.0)
    assert step(torch.zeros(2, 1), torch.tensor([0, 1]), 0) == pytest.approx(0, abs=1e-5)
    assert logits.grad.abs().max() < 1e-5
    logits.data[1] = torch.tensor([3.0, 1.0, 0.0])
    assert step(torch.zeros(2, 1), torch.tensor([0, 1]), 0) > 0.1
    half = Student(Says(), labels, said, 1, Distillation(0.5, 2.0, 1), 0.0)
    alone = Student(Says(), labels, None, 1, Distillation(), 0.0)
    x, indices = torch.zeros(2, 1), torch.tensor([0, 1])
    mean = (step(x, indices, 0) + alone(x, indices, 0)) / 2
    assert half(x, indices, 0) == pytest.approx(mean, rel=1e-5)


def test_each_epoch_is_taught_by_its_own_view() -> None:
    said = torch.tensor([[[9.0, 0.0]], [[0.0, 9.0]]]).half()
    logits = torch.nn.Parameter(torch.tensor([[9.0, 0.0]]))

    class Says(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return logits

    step = Student(Says(), torch.tensor([0]), said, 3, Distillation(1.0, 1.0, 2), 0.0)
    losses = [step(torch.zeros(1, 1), torch.tensor([0]), number) for number in range(9)]
    assert max(losses[0:3] + losses[6:9]) < 1e-4
    assert min(losses[3:6]) > 5
