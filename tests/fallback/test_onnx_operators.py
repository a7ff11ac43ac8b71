# SPDX-License-Identifier: Apache-2.0
"""ONNX's own tests of its operators: one case of each on an emulated board, all with a switch."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

pytest.importorskip("tvm.relax")

from benchmarks.onnx_operators import (
    PAGE,
    RESULTS,
    Case,
    cases,
    compared,
    sweep,
    table,
)
from tests.onnx_models import Builder
from tinyengine_tvm import compile_model
from tinyengine_tvm.importers.onnx_fallback import KINDS

KNOWN = json.loads(RESULTS.read_text(encoding="utf-8"))


def opset(case: Case) -> int:
    return max(o.version for o in case.model.opset_import)


def chosen() -> dict[int, list[Case]]:
    """A passing case of each operator, by operator set; as few sets as that takes."""
    by_name = {case.name: case for case in cases()}
    found: dict[str, dict[int, Case]] = {}
    for name, (operator, verdict, _) in sorted(KNOWN.items()):
        if verdict == "passed":
            found.setdefault(operator, {}).setdefault(opset(by_name[name]), by_name[name])
    groups: dict[int, list[Case]] = {}
    while found:
        counts = Counter(version for versions in found.values() for version in versions)
        version = max(counts, key=lambda v: (counts[v], v))
        taken = [operator for operator in sorted(found) if version in found[operator]]
        groups[version] = [found.pop(operator)[version] for operator in taken]
    return groups


def merged(version: int, parts: Sequence[Case]) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """One model of the graphs of all parts side by side, and its inputs."""
    graph = onnx.GraphProto(name="operators")
    inputs: dict[str, np.ndarray] = {}
    for index, case in enumerate(parts):
        one = onnx.GraphProto()
        one.CopyFrom(case.model.graph)
        for node in one.node:
            node.name = f"{case.operator}_{index}"
            node.input[:] = [f"c{index}_{name}" if name else "" for name in node.input]
            node.output[:] = [f"c{index}_{name}" if name else "" for name in node.output]
        for named in (*one.input, *one.output, *one.initializer):
            named.name = f"c{index}_{named.name}"
        graph.node.extend(one.node)
        graph.input.extend(one.input)
        graph.output.extend(one.output)
        graph.initializer.extend(one.initializer)
        inputs.update({f"c{index}_{name}": value for name, value in case.inputs.items()})
    opsets = [helper.make_opsetid("", version)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10), inputs


def groups() -> list[tuple[int, list[Case]]]:
    return sorted(chosen().items())


@pytest.mark.parametrize(
    ("version", "parts"), groups(), ids=lambda v: str(v) if isinstance(v, int) else ""
)
def test_an_operator_of_each_kind_on_a_board(version, parts, tmp_path):
    model, inputs = merged(version, parts)
    onnx.save(model, tmp_path / "model.onnx")
    artifact = compile_model(tmp_path / "model.onnx", allow_slow=True)
    samples = {name: np.asarray(value)[np.newaxis] for name, value in inputs.items()}
    results = [value[0] for value in artifact.run("mps2-an386", samples).values()]
    wrong = []
    for case in parts:
        mine, results = results[: len(case.outputs)], results[len(case.outputs) :]
        verdict = compared(case, mine)
        if verdict.verdict != "passed":
            wrong.append(f"{case.name}: {verdict.detail}")
    assert not wrong
    assert not results


def test_sixty_operators_pass_and_nothing_is_wrong():
    passing = {operator for operator, verdict, _ in KNOWN.values() if verdict == "passed"}
    assert len(passing) >= 60
    assert {verdict for _, verdict, _ in KNOWN.values()} == {"passed", "refused"}
    assert {case.operator for _, parts in groups() for case in parts} == passing


def test_the_importer_takes_what_passes_and_nothing_else():
    passing = {operator for operator, verdict, _ in KNOWN.values() if verdict == "passed"}
    assert passing - {"Not"} == set(KINDS)


def test_the_page_holds_the_results():
    assert PAGE.read_text(encoding="utf-8") == table(KNOWN)


def test_values_that_the_importer_computes_itself(tmp_path):
    """Shape, Size, Range, ConstantOfShape and CastLike, where their inputs are known."""
    b = Builder(7, (1, 3, 4))
    shape = b.node("Shape", b.x)
    bounds = (b.constant(np.array(v, np.int64)) for v in (0, 4, 1))
    ramp = b.node("Range", *bounds)
    filled = b.node(
        "ConstantOfShape", shape, value=numpy_helper.from_array(np.array([3], np.float32))
    )
    y = b.node("Add", b.node("Mul", b.x, b.node("CastLike", ramp, b.x)), filled)
    y = b.node("Where", b.node("Not", b.node("Less", y, b.x)), y, b.x)
    size = b.node("CastLike", b.node("Size", b.x), b.x)
    model = b.model([b.node("Mul", y, size)])
    onnx.save(model, tmp_path / "model.onnx")
    x = np.random.default_rng(1).normal(size=(5, 1, 3, 4)).astype(np.float32)
    (got,) = compile_model(tmp_path / "model.onnx", target="host").run("host", x).values()
    session = onnxruntime.InferenceSession(model.SerializeToString())
    np.testing.assert_array_equal(got, [session.run(None, {"input": v})[0] for v in x])


PADS = np.array([0, 0, -1, 0, 0, 0, 1, 0], np.int64)
ONE, ZERO = np.array(1, np.float32), np.array(0, np.int8)


@pytest.mark.parametrize(
    ("kind", "constants", "attributes", "reason"),
    [
        ("IsInf", [], {"detect_negative": 0}, "detect_negative 0"),
        ("SpaceToDepth", [], {"blocksize": 2, "mode": "CRD"}, "mode CRD"),
        ("Mod", [ONE], {}, "fmod 0 of floats"),
        ("Pad", [PADS], {}, "negative padding"),
        ("QuantizeLinear", [ONE, ZERO], {"saturate": 0}, "saturate 0"),
    ],
)
def test_what_tvm_computes_otherwise_is_refused(kind, constants, attributes, reason, tmp_path):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4, 4, 4))
    element = {"IsInf": TensorProto.BOOL, "QuantizeLinear": TensorProto.INT8}
    y = helper.make_tensor_value_info("y", element.get(kind, TensorProto.FLOAT), None)
    values = [numpy_helper.from_array(value, f"c{i}") for i, value in enumerate(constants)]
    inputs = ["x", *(value.name for value in values)]
    node = helper.make_node(kind, inputs, ["y"], name="node", **attributes)
    graph = helper.make_graph([node], "graph", [x], [y], values)
    version = 28 if kind == "SpaceToDepth" else 20
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", version)], ir_version=10
    )
    onnx.save(onnx.shape_inference.infer_shapes(model), tmp_path / "model.onnx")
    with pytest.raises(Exception, match=f"{kind} 'node' .node 0.: {reason}"):
        compile_model(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("shape", "weight", "attributes"),
    [
        ((1, 4, 7, 6), (6, 2, 3, 3), {"group": 2, "pads": [1, 0, 2, 1]}),
        ((1, 3, 9, 8), (2, 3, 3, 2), {"dilations": [2, 3], "strides": [1, 2]}),
        ((2, 3, 7, 7), (2, 3, 3, 2), {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
        ((1, 3, 11), (4, 3, 3), {"pads": [1, 1], "strides": [2]}),
        ((1, 2, 4, 5, 4), (3, 2, 2, 2, 3), {}),
    ],
)
def test_convolutions_of_every_form(shape, weight, attributes, tmp_path):
    b = Builder(3, shape)
    b.node("Conv", b.x, b.weight(*weight), b.weight(weight[0]), **attributes)
    model = b.model([b.nodes[-1].output[0]])
    onnx.save(model, tmp_path / "model.onnx")
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    artifact = compile_model(tmp_path / "model.onnx", target="host", allow_slow=True)
    (got,) = artifact.run("host", x[np.newaxis]).values()
    (want,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"input": x})
    np.testing.assert_allclose(got[0], want, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(
    os.environ.get("TINYENGINE_THOROUGH", "") in ("", "0"), reason="minutes; TINYENGINE_THOROUGH=1"
)
def test_every_case_as_recorded():
    found = {
        name: (operator, outcome.verdict) for operator, name, outcome in sweep(sorted(KNOWN), 2)
    }
    assert found == {name: (operator, verdict) for name, (operator, verdict, _) in KNOWN.items()}
