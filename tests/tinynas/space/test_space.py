# SPDX-License-Identifier: Apache-2.0
"""Properties of the space and of the networks in it."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tinynas.errors import NasError
from tinynas.space import Architecture, Genome, Space, Stage
from tinynas.space.mcunet import PUBLISHED, mcunet_space

SMALL = Space(
    1,
    10,
    (Stage(16, 2), Stage(24, 1, depths=(1, 2)), Stage(32, 2, depths=(1,))),
    (0.5, 1.0),
    (24, 28),
)
SENSOR = replace(SMALL, channels=6, dimensions=1, resolutions=(100, 128), head=40)
SPACES = (SMALL, SENSOR, mcunet_space())

spaces = st.sampled_from(SPACES)
seeds = st.integers(0, 2**32 - 1)


def contains(space: Space, genome: Genome) -> bool:
    """Whether a genome is one of the space, in normal form."""
    blocks = zip(space.places, genome.kernels, genome.expansions, strict=True)
    return (
        genome.width in space.widths
        and genome.resolution in space.resolutions
        and all(d in s.depths for d, s in zip(genome.depths, space.stages, strict=True))
        and all(
            kernel in space.stages[s].kernels
            and expansion in space.stages[s].expansions
            and (b < genome.depths[s] or (kernel, expansion) == (3, 3))
            for (s, b), kernel, expansion in blocks
        )
    )


@given(spaces, seeds)
def test_genomes_survive_json(space: Space, seed: int) -> None:
    genome = space.sample(np.random.default_rng(seed))
    assert Genome.from_json(json.loads(json.dumps(genome.to_json()))) == genome
    network = space.architecture(genome)
    assert Architecture.from_json(json.loads(json.dumps(network.to_json()))) == network
    assert Space.from_json(json.loads(json.dumps(space.to_json()))) == space


@given(spaces, seeds, st.floats(0, 1))
def test_children_stay_in_the_space(space: Space, seed: int, probability: float) -> None:
    random = np.random.default_rng(seed)
    one, other = space.sample(random), space.sample(random)
    for genome in (
        one,
        space.mutate(one, probability, random),
        space.cross(one, other, random),
        space.extreme(True),
        space.extreme(False),
    ):
        assert contains(space, genome)
    assert space.mutate(one, 0, random) == one
    child = space.cross(one, other, random)
    assert child.width in (one.width, other.width)
    assert all(d in pair for d, *pair in zip(child.depths, one.depths, other.depths, strict=True))


@given(spaces, seeds)
def test_normal_form_is_reached_at_once_and_keeps_the_network(space: Space, seed: int) -> None:
    random = np.random.default_rng(seed)
    depths = tuple(int(random.choice(s.depths)) for s in space.stages)
    kernels = tuple(int(random.choice(space.stages[s].kernels)) for s, _ in space.places)
    expansions = tuple(int(random.choice(space.stages[s].expansions)) for s, _ in space.places)
    genome = Genome(space.widths[0], space.resolutions[0], depths, kernels, expansions)
    normal = space.normal(genome)
    assert space.normal(normal) == normal
    assert contains(space, normal)
    assert space.architecture(normal) == space.architecture(genome)


def test_normal_genomes_and_networks_correspond() -> None:
    tiny = Space(
        1,
        2,
        (Stage(8, 2, (1, 2), (3, 5), (3, 6)), Stage(16, 2, (1,), (3, 5), (3, 6))),
        (1.0,),
        (8, 16),
    )
    genomes = set()
    for size, depth, *rest in itertools.product((8, 16), (1, 2), *[(3, 5)] * 3, *[(3, 6)] * 3):
        genomes.add(tiny.normal(Genome(1.0, size, (depth, 1), tuple(rest[:3]), tuple(rest[3:]))))
    networks = {tiny.architecture(genome) for genome in genomes}
    assert len(networks) == len(genomes) == tiny.size == 2 * (4 + 16) * 4


@given(st.integers(1, 2000), st.floats(0.1, 2), st.sampled_from([4, 8]))
def test_scaled_channels_are_multiples_and_never_under_nine_tenths(
    channels: int, width: float, divisor: int
) -> None:
    scaled = replace(SMALL, divisor=divisor).scaled(channels, width)
    assert scaled % divisor == 0
    assert scaled >= 0.9 * channels * width
    assert scaled <= channels * width + divisor


def test_restricted_names_what_there_is() -> None:
    assert SMALL.restricted((0.5,)).widths == (0.5,)
    with pytest.raises(NasError, match=r"resolution 32 is not in the space; there are: 24, 28"):
        SMALL.restricted(resolutions=(32,))


def as_onnx(network: Architecture) -> onnx.ModelProto:
    """The network written down from its blocks alone, without shapes: ONNX finds those."""
    flat = network.input[1] == 1
    nodes, weights = [], []
    x, channels, counter = "x", network.input[0], itertools.count()

    def convolution(kernel: int, outputs: int, stride: int = 1, groups: int = 1) -> None:
        nonlocal x, channels
        name, y = f"w{next(counter)}", f"y{next(counter)}"
        window = [1, kernel] if flat else [kernel, kernel]
        shape = [outputs, channels // groups, *window]
        weights.append(
            helper.make_tensor(name, TensorProto.INT8, shape, bytes(int(np.prod(shape))), raw=True)
        )
        pads = [k // 2 for k in window]
        strides = [1, stride] if flat else [stride, stride]
        nodes.append(
            helper.make_node(
                "ConvInteger", [x, name], [y], pads=pads * 2, strides=strides, group=groups
            )
        )
        x, channels = y, outputs

    convolution(network.stem_kernel, network.stem_width, network.stem_stride)
    for block in network.blocks:
        if block.expanded != channels:
            convolution(1, block.expanded)
        convolution(block.kernel, block.expanded, block.stride, channels)
        convolution(1, block.width)
    if network.head:
        convolution(1, network.head)
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.INT8, [1, *network.input])],
        [helper.make_tensor_value_info(x, TensorProto.INT32, None)],
        weights,
    )
    return helper.make_model(graph)


@settings(max_examples=15, deadline=None)
@given(spaces, seeds)
def test_macs_and_weights_are_those_of_onnx_shape_inference(space: Space, seed: int) -> None:
    network = space.architecture(space.sample(np.random.default_rng(seed)))
    model = onnx.shape_inference.infer_shapes(as_onnx(network), strict_mode=True)
    graph = model.graph
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*graph.value_info, *graph.output)
    }
    sizes = {w.name: int(np.prod(w.dims)) for w in graph.initializer}
    macs = sum(sizes[n.input[1]] * int(np.prod(shapes[n.output[0]][2:])) for n in graph.node)
    classifier = shapes[graph.node[-1].output[0]][1] * network.classes
    assert network.weights == sum(sizes.values()) + classifier
    assert network.macs == macs + classifier
    convolutions = [y for y in network.layers() if y.kind in ("conv", "depthwise", "pointwise")]
    assert [[1, *y.outputs] for y in convolutions] == [shapes[n.output[0]] for n in graph.node]


def test_residuals_are_where_shapes_allow_them() -> None:
    network = SMALL.architecture(SMALL.extreme(True))
    added = {y.name for y in network.layers() if y.kind == "add"}
    expected = set()
    channels = network.stem_width
    for index, block in enumerate(network.blocks):
        if block.stride == 1 and block.width == channels:
            expected.add(f"blocks.{index}.add")
        channels = block.width
    assert added == expected != set()


def test_mcunet_space_is_the_published_one() -> None:
    space = mcunet_space()
    assert len(space.widths) * len(space.resolutions) == 108
    # The paper counts 2 x 10^19 networks per pair: kernels and expansions of the last stage apart.
    assert space.size / 108 / 9 == pytest.approx(2.2e19, rel=0.02)
    assert all(p.width in space.widths and p.resolution in space.resolutions for p in PUBLISHED)
