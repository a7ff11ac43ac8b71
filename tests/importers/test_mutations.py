# SPDX-License-Identifier: Apache-2.0
"""Damaged files: each is refused in one line or still a model. Nothing else comes out, ever."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.networks import small_network
from tests.onnx_models import quantised
from tests.tflite_models import write_tflite
from tinyengine_tvm.errors import TinyEngineError
from tinyengine_tvm.importers import import_network
from tinyengine_tvm.network import verify

COUNT = 400
WORDS = (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x01\x00\x00\x00")


def mutated(model: bytes, seed: int) -> bytes:
    """Cut short, with some bits flipped, or with a word replaced by one that breaks offsets."""
    rng = random.Random(seed)
    data = bytearray(model)
    kind = rng.choice(("cut", "one bit", "bits", "word"))
    if kind == "cut":
        return bytes(data[: rng.randrange(len(data))])
    if kind == "word":
        at = rng.randrange(len(data) - 4) & ~3
        data[at : at + 4] = rng.choice(WORDS)
        return bytes(data)
    for _ in range(1 if kind == "one bit" else rng.randrange(2, 9)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def models():
    yield "small.tflite", write_tflite(small_network())
    for name in ("residual", "classifier"):
        yield f"{name}.onnx", quantised(name).SerializeToString()


@pytest.mark.parametrize(
    ("name", "model"), list(models()), ids=["tflite", "residual", "classifier"]
)
def test_damaged_files(name, model, tmp_path):
    path = tmp_path / name
    ends: Counter[str] = Counter()
    for seed in range(COUNT):
        path.write_bytes(mutated(model, seed))
        try:
            network = import_network(path, name="net")
        except TinyEngineError as error:
            assert str(error) and "\n" not in str(error), (seed, str(error))
            ends["refused"] += 1
        else:
            verify(network)
            ends["imported"] += 1
    # A flipped bit of a weight is no damage that anyone could see.
    assert ends["refused"] > COUNT // 4 and ends["imported"] > COUNT // 50, ends


@pytest.mark.parametrize("model", ["kws_ref_model", "mcunet_vww"])
def test_damaged_real_models(model, shared_models, tmp_path):
    """Most of a real file is weights; these mutations aim at the structure around them."""
    data = (shared_models / f"{model}.tflite").read_bytes()
    path = tmp_path / "model.tflite"
    refused = 0
    for seed in range(100):
        rng = random.Random(seed)
        damaged = bytearray(data)
        for _ in range(3):
            at = rng.randrange(len(data) * 17 // 20, len(data))
            damaged[at] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            verify(import_network(path, name="net"))
        except TinyEngineError as error:
            assert "\n" not in str(error), seed
            refused += 1
    assert refused > 20
