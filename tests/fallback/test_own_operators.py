# SPDX-License-Identifier: Apache-2.0
"""Operators that a user registers: docs/own-operators.md is run as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.onnx_models import Builder, quantise

pytest.importorskip("tvm.relax")

from tinyengine_tvm import compile_model
from tinyengine_tvm.errors import TinyEngineError
from tinyengine_tvm.fallback import c_kernel, onnx_operator

GUIDE = Path(__file__).parents[2] / "docs" / "own-operators.md"
DOMAIN = "com.example"


def model(nodes, shape=(2, 3, 5)) -> bytes:
    """A model of operators of the domain, one after the other."""
    names = ["x", *(f"v{i}" for i in range(1, len(nodes))), "y"]
    made = [
        helper.make_node(kind, [a], [b], domain=DOMAIN, **attributes)
        for (kind, attributes), a, b in zip(nodes, names[:-1], names[1:], strict=True)
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("x", "y")]
    graph = helper.make_graph(made, "own", ends[:1], ends[1:])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def snake(x, alpha):
    return x + np.sin(alpha * x) ** 2 / alpha


def triangle(x):
    return np.abs(x - np.floor(x + 0.5))


def test_the_guide_does_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("model.onnx").write_bytes(model([("Snake", {"alpha": 0.7}), ("Triangle", {})]))
    first, second = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    body = [line for line in first.splitlines() if line.strip()]
    assert len(body) - body.index('SNAKE = """') <= 21
    # The operators of both pieces, then the compile that ends the first.
    definitions, compilation = first.split("artifact = ")
    space: dict[str, object] = {}
    exec(definitions + second + "artifact = " + compilation, space)
    artifact = space["artifact"]
    x = np.random.default_rng(3).normal(0, 2, (4, 2, 3, 5)).astype(np.float32)
    (y,) = artifact.run("mps2-an386", x).values()
    np.testing.assert_allclose(y, triangle(snake(x, 0.7)), rtol=0, atol=2e-6)
    names = [layer["operators"] for layer in artifact.report["fallback"]["layers"]]
    assert names == [["te_snake"], ["wave"]]


def test_an_operator_amid_quantised_layers(tmp_path):
    @onnx_operator(f"{DOMAIN}.Reverse")
    def reverse(builder, x):
        shape = [int(n) for n in x.ty.shape]
        count = int(np.prod(shape))
        text = f"""\
static void @NAME@(const float *x, float *y, void *scratch)
{{
    float *copy = scratch;
    for (int i = 0; i < {count}; ++i) {{
        copy[i] = x[i];
    }}
    for (int i = 0; i < {count}; ++i) {{
        y[i] = copy[{count - 1} - i];
    }}
}}"""
        return c_kernel(builder, text, [x], shape, scratch_bytes=4 * count)

    b = Builder(5, (1, 3, 6, 6))
    b.conv(b.relu(b.conv(b.x, 3, 4, 3)), 4, 4, 1)
    plain = onnx.load_from_string(quantise(b.model([b.nodes[-1].output[0]]), _samples(16, 0)))
    own = onnx.ModelProto()
    own.CopyFrom(plain)
    second = [n for n in own.graph.node if n.op_type == "Conv"][1]
    at, source = list(own.graph.node).index(second), second.input[0]
    own.graph.node.insert(at, helper.make_node("Reverse", [source], ["reversed"], domain=DOMAIN))
    own.graph.node[at + 1].input[0] = "reversed"
    del own.graph.value_info[:]
    own.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    path = tmp_path / "own.onnx"
    onnx.save(own, path)
    with pytest.raises(TinyEngineError, match="conv2d"):
        # The convolution behind it reads float32 that nothing quantised.
        compile_model(path, target="host")
    artifact = compile_model(path, target="host", allow_slow=True)
    x = _samples(3, 1)
    (got,) = artifact.run("host", x).values()
    # The twin in ONNX's words: flatten, flip, and back.
    twin = onnx.ModelProto()
    twin.CopyFrom(own)
    del twin.graph.node[at]
    shape, flat = [1, 4, 6, 6], [144]
    for name, value in (("shape", shape), ("flat", flat), ("end", [-200]), ("start", [-1])):
        twin.graph.initializer.append(
            onnx.numpy_helper.from_array(np.array(value, np.int64), f"own_{name}")
        )
    steps = [
        ("Reshape", [source, "own_flat"]),
        ("Slice", ["own_0", "own_start", "own_end", "", "own_start"]),
        ("Reshape", ["own_1", "own_shape"]),
    ]
    for i, (kind, inputs) in enumerate(steps):
        output = "reversed" if i == 2 else f"own_{i}"
        twin.graph.node.insert(at + i, helper.make_node(kind, inputs, [output]))
    import onnxruntime

    session = onnxruntime.InferenceSession(twin.SerializeToString())
    want = np.stack([session.run(None, {"input": v})[0] for v in x])
    step = np.diff(np.unique(want)).min()
    assert np.abs(got - want).max() <= step * 1.01
    assert (got == want).mean() > 0.99


def _samples(count, seed):
    return np.random.default_rng(seed).normal(0, 1, (count, 1, 3, 6, 6)).astype(np.float32)


def test_an_operator_that_nobody_registered(tmp_path):
    path = tmp_path / "own.onnx"
    path.write_bytes(model([("Nobody", {})]))
    with pytest.raises(TinyEngineError, match=r"unsupported operator: com\.example\.Nobody 'y'"):
        compile_model(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": "void f(void) {}"}, "must begin with 'static void @NAME@"),
        ({"dtype": "float16"}, "can't give float16"),
        ({"name": "Not C"}, "no C identifier"),
    ],
)
def test_a_kernel_that_is_none(change, message):
    arguments = {"text": "static void @NAME@(float *y) { *y = 0; }", "dtype": "float32"} | change
    with pytest.raises(TinyEngineError, match=message):
        c_kernel(None, inputs=[], shape=[1], **arguments)
