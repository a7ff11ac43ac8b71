# SPDX-License-Identifier: Apache-2.0
"""The generated files: readable, deterministic, complete, and no more than the network needs."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest

from tests.networks import int8_tensor, small_network
from tinyengine_tvm.emit import emit
from tinyengine_tvm.emit.constants import constant_array
from tinyengine_tvm.emit.interface import ports
from tinyengine_tvm.emit.names import comment, identifier
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.network import Network, Reshape, verify
from tinyengine_tvm.targets import get_target

GOLDEN = Path(__file__).parents[1] / "golden"
STRICT = "-std=c11 -O1 -Wall -Wextra -Werror -Wconversion -Wpedantic -fsanitize=address,undefined"


def generate(network: Network, target: str = "host", name: str = "net") -> dict[str, bytes]:
    files, _, _ = emit(
        network, get_target(target), name=name, version="0.0", rewrites=[], model_sha256=""
    )
    return files


def build(files: dict[str, bytes], main: str, folder: Path, *flags: str) -> Path:
    for name in ("model.c", "model.h"):
        (folder / name).write_bytes(files[name])
    (folder / "main.c").write_text(main)
    command = ["gcc", *STRICT.split(), *flags, "model.c", "main.c", "-o", "program"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "program"


MAIN = """
#include "model.h"
#include <stdio.h>
%s
int main(void)
{
    struct tvmgen_net_inputs in = %s;
    struct tvmgen_net_outputs out = %s;
    while (fread(in.image, 1, TVMGEN_NET_IMAGE_BYTES, stdin) == TVMGEN_NET_IMAGE_BYTES) {
        if (tvmgen_net_run(&in, &out) != 0) return 1;
        fwrite(out.scores, 1, TVMGEN_NET_SCORES_BYTES, stdout);
    }
    return 0;
}
"""
MAPPED = ("", "tvmgen_net_map_inputs()", "tvmgen_net_map_outputs()")
OWN_BUFFERS = (
    "_Alignas(4) static int8_t x[TVMGEN_NET_IMAGE_BYTES], y[TVMGEN_NET_SCORES_BYTES];",
    "{x}",
    "{y}",
)


def outputs(program: Path, samples: np.ndarray) -> np.ndarray:
    raw = subprocess.run([program], input=samples.tobytes(), capture_output=True, check=True)
    return np.frombuffer(raw.stdout, np.int8).reshape(len(samples), -1)


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
@pytest.mark.parametrize("buffers", [MAPPED, OWN_BUFFERS], ids=["mapped", "own"])
def test_program_equals_semantics(tmp_path, mode, buffers):
    network = small_network(mode)
    program = build(generate(network), MAIN % buffers, tmp_path)
    samples = np.random.default_rng(1).integers(-128, 128, (20, 1, 9, 7, 5)).astype(np.int8)
    expected = np.concatenate([run_reference(network, {"image": x})["scores"] for x in samples])
    assert len(np.unique(expected)) > 50
    np.testing.assert_array_equal(outputs(program, samples), expected)


def test_arena_can_be_handed_over(tmp_path):
    network = small_network()
    own = "_Alignas(16) uint8_t tvmgen_net_arena[TVMGEN_NET_ARENA_SIZE];"
    main = MAIN % (own, *MAPPED[1:])
    program = build(generate(network), main, tmp_path, "-DTINYENGINE_ARENA_EXTERN")
    samples = np.random.default_rng(2).integers(-128, 128, (3, 1, 9, 7, 5)).astype(np.int8)
    expected = np.concatenate([run_reference(network, {"image": x})["scores"] for x in samples])
    np.testing.assert_array_equal(outputs(program, samples), expected)


def test_golden_c():
    """The C of a small network as a person reads it; TINYENGINE_UPDATE_GOLDEN=1 rewrites it."""
    files = generate(small_network())
    for name in ("model.c", "model.h"):
        golden = GOLDEN / f"small_{name}"
        if os.environ.get("TINYENGINE_UPDATE_GOLDEN"):
            golden.write_bytes(files[name])
        assert files[name].decode() == golden.read_text()


def test_same_bytes_twice():
    assert generate(small_network()) == generate(small_network())


def test_only_what_the_network_needs():
    text = generate(small_network())["model.c"].decode()
    used = set(re.findall(r"\bte_\w+", text[text.index("tvmgen_net_run(") :]))
    defined = set(re.findall(r"^static void (te_\w+)\(", text, re.M))
    assert defined and defined <= used
    assert "softmax" not in text and "te_scale_onnx" not in text
    assert set(re.findall(r"#include <(\S+)>", text)) == {"stddef.h", "string.h"}
    assert "malloc" not in text


def test_reshape_between_the_caller_s_own_buffers_copies(tmp_path):
    """A network that only reshapes computes nothing, yet the caller's output must be filled."""
    tensors = {t.name: t for t in (int8_tensor("image", (1, 4, 2)), int8_tensor("scores", (8,)))}
    layer = Reshape("flatten", ("image",), "scores")
    network = verify(Network("n", "tflite", tensors, (layer,), ("image",), ("scores",)))
    program = build(generate(network), MAIN % OWN_BUFFERS, tmp_path)
    samples = np.arange(16, dtype=np.int8).reshape(2, 1, 4, 2)
    np.testing.assert_array_equal(outputs(program, samples), samples.reshape(2, 8))


def test_metadata_accounts_for_every_constant():
    files = generate(small_network())
    facts = json.loads(files["metadata.json"])
    text = files["model.c"].decode()
    arrays = re.findall(r"static const (\w+) (\w+)\[(\d+)\]", text)
    sizes = {"int8_t": 1, "int32_t": 4}
    assert [(c["symbol"], c["bytes"]) for c in facts["constants"]] == [
        (symbol, sizes[kind] * int(count)) for kind, symbol, count in arrays
    ]
    assert [layer["macs"] for layer in facts["layers"]] == [5 * 4 * 6 * 45, 5 * 4 * 6 * 9, 0, 1200]
    assert facts["arena_bytes"] >= facts["arena_lower_bound"]


def test_model_library_format():
    files = generate(small_network(), name="tiny")
    with tarfile.open(fileobj=io.BytesIO(files["tiny.tar"])) as archive:
        members = {m.name: m for m in archive.getmembers()}
        assert {m.mtime for m in members.values()} == {0}
        manifest = json.load(archive.extractfile("./metadata.json"))
        source = archive.extractfile("./codegen/host/src/model.c").read()
        assert "./codegen/host/include/tvmgen_tiny.h" in members
    assert source == files["model.c"]
    module = manifest["modules"]["tiny"]
    assert manifest["version"] == 7 and module["executors"] == ["aot"]
    memory = module["memory"]["functions"]["main"][0]
    facts = json.loads(files["metadata.json"])
    assert memory["workspace_size_bytes"] == facts["arena_bytes"]
    assert memory["inputs"] == {"image": {"size": 315, "dtype": "int8"}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("serving_default_x:0", "serving_default_x_0"),
        ("3a", "_3a"),
        ("int", "_int"),
        ("é", "unnamed"),
    ],
)
def test_identifiers(text, expected):
    assert identifier(text) == expected


def test_two_ports_of_one_name_stay_apart():
    tensors = {t.name: t for t in (int8_tensor("x/y", (1, 1)), int8_tensor("x.y", (1, 1)))}
    layers = (Reshape("r", ("x/y",), "z"),)
    network = Network("n", "tflite", tensors, layers, ("x/y", "x.y"), ())
    assert [p.field for p in ports(network, network.inputs)] == ["x_y", "x_y_2"]


def test_comment_can_not_be_closed_by_a_name():
    assert "*/" not in comment("a */ int evil; /* b")


def test_constants_are_exact():
    values = np.array([0.1, -1e-30, 3.0], np.float32)
    text = constant_array("c", values)
    parsed = [float.fromhex(v.rstrip("f")) for v in re.findall(r"-?0x[^,\s]+", text)]
    np.testing.assert_array_equal(np.array(parsed, np.float32), values)
    assert "INT32_MIN" in constant_array("c", np.array([-(2**31), 5], np.int32))
