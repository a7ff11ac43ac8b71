# SPDX-License-Identifier: Apache-2.0
"""Which operators of ONNX compile, held to ONNX's own backend tests.

`python benchmarks/onnx_operators.py` writes docs/onnx-operators.md: for each operator how many of
the node tests of package onnx pass, and how many are refused with an error. A case passes if the C
that the compiler writes, run on this machine, gives what onnxruntime gives (or, where onnxruntime
can't run the case, what the test states) within a relative error of 1e-3 and an absolute one of
1e-5; integers and booleans must be equal.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

RTOL, ATOL = 1e-3, 1e-5
RESULTS = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).resolve().parents[1] / "docs" / "onnx-operators.md"
PARAMETERS = {
    "ArgMax": (), "CenterCropPad": (1,), "Clip": (1, 2), "ConstantOfShape": (0,), "CumSum": (1,),
    "CumProd": (1,), "DequantizeLinear": (1, 2), "Dropout": (1, 2), "Expand": (1,),
    "OneHot": (1, 2), "Pad": (1, 2, 3), "QuantizeLinear": (1, 2), "Range": (0, 1, 2),
    "ReduceL1": (1,),
    "ReduceL2": (1,), "ReduceLogSum": (1,), "ReduceLogSumExp": (1,), "ReduceMax": (1,),
    "ReduceMean": (1,), "ReduceMin": (1,), "ReduceProd": (1,), "ReduceSum": (1,),
    "ReduceSumSquare": (1,), "Reshape": (1,), "Resize": (1, 2, 3), "Slice": (1, 2, 3, 4),
    "Split": (1,), "Squeeze": (1,), "Tile": (1,), "TopK": (1,), "Trilu": (1,), "Unsqueeze": (1,),
    "Upsample": (1,), "AffineGrid": (1,), "Col2Im": (1, 2), "BatchNormalization": (1, 2, 3, 4),
    "Conv": (1, 2), "Gemm": (1, 2), "ConvTranspose": (1, 2),
}  # fmt: skip
"""Inputs that a model gives as constants, and the tests as inputs: shapes, axes, weights."""

OLDEST = 7
OUTPUTS = {"LayerNormalization": 1, "Dropout": 1}
"""How many outputs an inference uses; the tests have those of training as well."""


@dataclass(frozen=True)
class Case:
    """A test: the model with its parameters bound, its inputs, and the outputs it states."""

    name: str
    operator: str
    model: onnx.ModelProto
    inputs: dict[str, np.ndarray]
    outputs: list[np.ndarray]


@dataclass(frozen=True)
class Outcome:
    """`verdict`: passed, wrong or refused, and `detail` says how wrong or why."""

    verdict: str
    detail: str = ""


@cache
def cases() -> tuple[Case, ...]:
    """Every node test of package onnx whose values are tensors, by name."""
    from onnx.backend.test.case.node import collect_testcases

    found = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for test in collect_testcases(None):
            # The same once more, as the operators it is defined by.
            if test.name.endswith(("_expanded", "_expanded_ver18")) or "_expanded_" in test.name:
                continue
            case = _case(test)
            if case is not None:
                found.append(case)
    return tuple(sorted(found, key=lambda case: case.name))


def _array(value: object) -> object:
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return np.asarray(value) if isinstance(value, np.generic) else value


def _case(test: object) -> Case | None:
    model = test.model  # type: ignore[attr-defined]
    inputs, outputs = (
        [_array(value) for value in values]
        for values in test.data_sets[0]  # type: ignore[attr-defined]
    )
    if not all(isinstance(value, np.ndarray) for value in [*inputs, *outputs]):
        return None
    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    for opset in bound.opset_import:
        if opset.domain == "" and opset.version < OLDEST:
            # An operator that hasn't changed since.
            opset.version = OLDEST
    node = bound.graph.node[0]
    values = dict(zip([i.name for i in bound.graph.input], inputs, strict=True))
    for position in PARAMETERS.get(node.op_type, ()):
        if position < len(node.input) and node.input[position] in values and len(values) > 1:
            name = node.input[position]
            tensor = numpy_helper.from_array(np.asarray(values.pop(name)), name)
            bound.graph.initializer.append(tensor)
    wanted = OUTPUTS.get(node.op_type, len(outputs))
    del bound.graph.output[wanted:], node.output[wanted:]
    kept = [i for i in bound.graph.input if i.name in values]
    del bound.graph.input[:]
    bound.graph.input.extend(kept)
    name = test.name.removeprefix("test_")  # type: ignore[attr-defined]
    operator = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
    return Case(name, operator, bound, values, list(outputs)[:wanted])


def expected(case: Case) -> list[np.ndarray]:
    """What onnxruntime gives; what the test states where onnxruntime can't run it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            case.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return [np.asarray(v) for v in session.run(None, case.inputs)]
    except Exception:
        return case.outputs


def compiled(case: Case, target: str):  # type: ignore[no-untyped-def]
    """The artifact of a case. Raises TinyEngineError where it is refused."""
    from tinyengine_tvm import compile_model

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(case.model.SerializeToString())
        return compile_model(path, target=target, allow_slow=True)


def outcome(case: Case, board: str = "host", target: str = "host") -> Outcome:
    """Compiles and runs a case."""
    from tinyengine_tvm.errors import BoardError, TinyEngineError

    try:
        artifact = compiled(case, target)
    except BoardError:
        raise
    except TinyEngineError as error:
        return Outcome("refused", str(error))
    given = {name: np.asarray(value) for name, value in case.inputs.items()}
    results = artifact.run(board, {n: v[np.newaxis] for n, v in given.items()})
    return compared(case, [value[0] for value in results.values()])


def compared(case: Case, results: Sequence[np.ndarray]) -> Outcome:
    """The verdict on a case's outputs."""
    for want, got in zip(expected(case), results, strict=True):
        if want.shape != got.shape or want.dtype != got.dtype:
            stated = f"{got.dtype}{list(got.shape)} instead of {want.dtype}{list(want.shape)}"
            return Outcome("wrong", stated)
        if want.dtype.kind == "f":
            same = np.isclose(got, want, rtol=RTOL, atol=ATOL, equal_nan=True)
        else:
            same = got == want
        if not np.all(same):
            return Outcome(
                "wrong", f"{np.size(same) - np.count_nonzero(same)} of {np.size(same)} values"
            )
    return Outcome("passed")


def verdict(name: str) -> tuple[str, str, Outcome]:
    """The case's operator, its name, and what came of it."""
    case = next(case for case in cases() if case.name == name)
    try:
        return case.operator, name, outcome(case)
    except Exception as error:
        lines = " ".join(str(error).split())
        return case.operator, name, Outcome("crashed", f"{type(error).__name__}: {lines[-300:]}")


def sweep(names: Sequence[str], jobs: int) -> Iterator[tuple[str, str, Outcome]]:
    """The verdicts of these cases, in their order."""
    context = multiprocessing.get_context("forkserver")
    with context.Pool(jobs, maxtasksperchild=200) as pool:
        yield from pool.imap(verdict, names, chunksize=4)


def reason(detail: str) -> str:
    """Why a case is refused, without the names in it."""
    for pattern, short in REASONS:
        if re.search(pattern, detail):
            return short
    return "TVM's importer or code generator refuses it"


REASONS = (
    (
        r"is (b?float16|uint8|string|float8\w*|float4\w*|u?int[24]|complex\w+)",
        "element type of the interface",
    ),
    (
        r"has a dynamic shape|no static shape|holds no element",
        "a shape that isn't known or is empty",
    ),
    (r"operator set", "operator set"),
    (r"an output of the model is a constant", "a result that is constant"),
    (r"unsupported operator: [\w.]+ '[^']*' \(node \d+\)\.", "operator"),
    (r"unsupported operator: [\w.]+ '[^']*' \(node \d+\):", "attribute"),
)


def table(results: Mapping[str, Sequence[str]]) -> str:
    """docs/onnx-operators.md. `results`: case -> operator, verdict, reason."""
    rows: dict[str, list[Sequence[str]]] = {}
    for operator, judged, why in results.values():
        rows.setdefault(operator, []).append((judged, why))
    passing = {name for name, found in rows.items() if any(v == "passed" for v, _ in found)}
    count = Counter(judged for _, judged, _ in results.values())
    wrong = count["wrong"] + count["crashed"]
    lines = [
        "# ONNX's own tests",
        "",
        "Written by `python benchmarks/onnx_operators.py`; don't edit. The cases are the node",
        f"tests of package onnx {onnx.__version__} whose values are tensors. Inputs that models"
        " give as",
        "constants (shapes, axes, weights) are bound as such, and `--allow-slow` is given.",
        "Expected is what onnxruntime gives, or what the test states where onnxruntime can't run"
        " it; floats",
        f"may differ by a relative {RTOL:g} and an absolute {ATOL:g}, integers and booleans not at",
        "all.",
        "",
        f"{len(results)} cases: **{count['passed']} pass, {wrong} fail, {count['refused']} are",
        f"refused** with an error that says why. {len(passing)} operators pass at least one case.",
        "The others, from the first without a pass on, can't be compiled.",
        "",
        "| operator | pass | fail | refused | why |",
        "|---|---|---|---|---|",
    ]
    for name in sorted(rows, key=lambda n: (n not in passing, n.lower())):
        judged = Counter(v for v, _ in rows[name])
        why = ", ".join(sorted({w for v, w in rows[name] if v == "refused"}))
        failed = judged["wrong"] + judged["crashed"]
        lines.append(f"| {name} | {judged['passed']} | {failed} | {judged['refused']} | {why} |")
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of the names of cases to run again")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    arguments = parser.parse_args()
    names = [case.name for case in cases() if arguments.only in case.name]
    results: dict[str, list[str]] = {}
    if arguments.only:
        results = json.loads(RESULTS.read_text(encoding="utf-8"))
    for operator, name, found in sweep(names, arguments.jobs):
        why = reason(found.detail) if found.verdict == "refused" else ""
        results[name] = [operator, found.verdict, why]
        print(f"{operator}\t{name}\t{found.verdict}\t{found.detail}", flush=True)
    RESULTS.write_text(json.dumps(results, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(table(results), encoding="utf-8")


if __name__ == "__main__":
    main()
