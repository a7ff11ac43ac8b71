# SPDX-License-Identifier: Apache-2.0
"""Rules for many networks at once, against each network on its own."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from tinynas.space import Architecture, Layer, Space, Stage
from tinynas.space.mcunet import mcunet_space
from tinynas.space.peak import OVERLAPPING, TINY_ENGINE, Engine, Population, needs

SMALL = Space(
    1, 10, (Stage(8, 2, (1, 2)), Stage(24, 2, (1,))), (0.5, 1.0), (15, 24), head=48, first=16
)
# The largest maps are those of blocks that keep their input, of the head or of the image.
KEPT = Space(1, 10, (Stage(8, 1, (2, 3)), Stage(8, 2, (1,))), (1.0,), (15, 24), stem=4)
HEAD = replace(KEPT, stages=(Stage(8, 2, (1, 2)),), head=240)
IMAGE = replace(KEPT, channels=60, stem_stride=4)


def size(shape: tuple[int, int, int]) -> int:
    return int(np.prod(shape))


def peak(network: Architecture, engine: Engine) -> int:
    """Layer by layer over the list of tensors that are live, without overlaps but depthwise."""
    layers = list(network.layers())
    readers: dict[int, int] = {}
    reads: list[list[int]] = []
    entry, block = -1, ""
    for at, layer in enumerate(layers):
        name = layer.name.rpartition(".")[0]
        if name != block:
            block, entry = name, at - 1
        reads.append([at - 1, entry] if layer.kind == "add" else [at - 1])
        for tensor in reads[-1]:
            readers[tensor] = at
    outputs = {at: size(layer.outputs) for at, layer in enumerate(layers)}
    outputs[-1] = size(network.input)
    most = 0
    for at, layer in enumerate(layers):
        live = sum(outputs[t] for t, last in readers.items() if t < at <= last)
        if layer.kind == "depthwise" and engine.in_place:
            live += layer.outputs[1] * layer.outputs[2]
        elif layer.kind != "add":
            live += outputs[at]
        most = max(most, live)
    return most


def flash(network: Architecture, engine: Engine) -> int:
    return engine.code + sum(y.weights + engine.channel_bytes * y.biases for y in network.layers())


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("space", [SMALL, KEPT, HEAD, IMAGE, mcunet_space()])
def test_needs_are_those_of_each_network(space: Space, in_place: bool) -> None:
    engine = replace(TINY_ENGINE, in_place=in_place, code=1234, channel_bytes=11)
    random = np.random.default_rng(4)
    genomes = [
        space.extreme(True),
        space.extreme(False),
        *(space.sample(random) for _ in range(30)),
    ]
    people = Population.of(genomes)
    for width, resolution in itertools.product(space.widths[:2], space.resolutions[:2]):
        found = needs(space, width, resolution, people, engine)
        for at, genome in enumerate(genomes):
            network = space.architecture(replace(genome, width=width, resolution=resolution))
            assert found.macs[at] == network.macs
            assert found.flash[at] == flash(network, engine)
            assert found.sram[at] == peak(network, engine)


def least_arena(sizes: list[int], leads: list[int]) -> int:
    """The smallest arena of a chain, from all offsets that each tensor can have.

    Tensor i dies when i + 1 is written. It begins leads[i] or more after i + 1 begins, or they lie
    apart.
    """

    def fits(arena: int) -> bool:
        offsets = np.arange(arena - sizes[0] + 1)
        for before, after, lead in zip(sizes[:-1], sizes[1:], leads, strict=True):
            places = np.arange(arena - after + 1)
            under = places + min(lead, after) <= offsets.max()
            offsets = places[under | (places >= offsets.min() + before)]
            if not offsets.size:
                return False
        return True

    return next(arena for arena in itertools.count(max(sizes)) if fits(arena))


def raster_lead(layer: Layer) -> int:
    """By how much the input must begin later, from the order in which a kernel reads and writes."""
    depth, height, width = layer.inputs
    channels, rows, columns = layer.outputs
    pad = layer.kernel[0] // 2
    first = []
    for y, x in itertools.product(range(rows), range(columns)):
        taps = [
            (sy * width + sx) * depth
            for sy in range(y * layer.stride[0] - pad, y * layer.stride[0] - pad + layer.kernel[0])
            for sx in range(x * layer.stride[1] - pad, x * layer.stride[1] - pad + layer.kernel[1])
            if 0 <= sy < height and 0 <= sx < width
        ]
        first.append(min(taps))
    lead = 0
    for pixel in range(1, len(first)):
        lead = max(lead, pixel * channels - min(first[pixel:]))
    return lead


@pytest.mark.parametrize("widths", [(8, 8), (4, 16), (16, 4), (24, 4)])
@pytest.mark.parametrize("expansions", [(3, 3), (3, 6), (6, 3), (6, 6)])
@pytest.mark.parametrize("strides", [(2, 2), (2, 1), (1, 2)])
def test_overlaps_reach_the_best_placement_of_a_chain(
    widths: tuple[int, int], expansions: tuple[int, int], strides: tuple[int, int]
) -> None:
    if (strides[0], widths[0]) == (1, 8) or (strides[1] == 1 and widths[0] == widths[1]):
        pytest.skip("a block that keeps its input is no chain")
    stages = tuple(
        Stage(w, s, (1,), (3,), (e,)) for w, s, e in zip(widths, strides, expansions, strict=True)
    )
    space = Space(1, 2, stages, (1.0,), (9,), stem=4, first=8)
    genome = space.extreme(False)
    layers = [y for y in space.architecture(genome).layers() if y.kind not in ("pool", "dense")]
    # Depthwise in place: no output runs ahead of its input. The plane that is kept apart comes on
    # top, where the rules count it and the placement doesn't.
    sizes = [size(layers[0].inputs), *(size(layer.outputs) for layer in layers)]
    leads = [0 if layer.kind == "depthwise" else raster_lead(layer) for layer in layers]
    engine = replace(OVERLAPPING, columns=0, in_place=True)
    found = int(needs(space, 1.0, 9, Population.of([genome]), engine).sram[0])
    plane = max(size(y.outputs) // y.outputs[0] for y in layers if y.kind == "depthwise")
    best = least_arena(sizes, leads)
    assert best - plane <= found <= best + plane + max(y.outputs[0] for y in layers)


def test_overlaps_never_need_more() -> None:
    space = mcunet_space()
    random = np.random.default_rng(0)
    people = Population.of([space.sample(random) for _ in range(200)])
    tiny = needs(space, 0.5, 144, people, TINY_ENGINE)
    ours = needs(space, 0.5, 144, people, replace(OVERLAPPING, columns=0))
    assert np.all(ours.sram <= tiny.sram)
    assert np.mean(ours.sram / tiny.sram) < 0.95
    assert np.array_equal(ours.macs, tiny.macs) and np.array_equal(ours.flash, tiny.flash)
