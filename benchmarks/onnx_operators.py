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
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

RTOL, ATOL = 1e-3, 1e-5
PARAMETERS = {
    "ArgMax": (), "CenterCropPad": (1,), "Clip": (1, 2), "ConstantOfShape": (0,), "CumSum": (1,),
    "CumProd": (1,), "DequantizeLinear": (1, 2), "Dropout": (1, 2), "Expand": (1,), "OneHot": (1,),
    "Pad": (1, 2, 3), "QuantizeLinear": (1, 2), "Range": (0, 1, 2), "ReduceL1": (1,),
    "ReduceL2": (1,), "ReduceLogSum": (1,), "ReduceLogSumExp": (1,), "ReduceMax": (1,),
    "ReduceMean": (1,), "ReduceMin": (1,), "ReduceProd": (1,), "ReduceSum": (1,),
    "ReduceSumSquare": (1,), "Reshape": (1,), "Resize": (1, 2, 3), "Slice": (1, 2, 3, 4),
    "Split": (1,), "Squeeze": (1,), "Tile": (1,), "TopK": (1,), "Trilu": (1,), "Unsqueeze": (1,),
    "Upsample": (1,), "AffineGrid": (1,), "Col2Im": (1, 2), "BatchNormalization": (1, 2, 3, 4),
    "Conv": (1, 2), "Gemm": (1, 2), "ConvTranspose": (1, 2),
}  # fmt: skip
"""Inputs that a model gives as constants, and the tests as inputs: shapes, axes, weights."""

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


def _case(test: object) -> Case | None:
    model = test.model  # type: ignore[attr-defined]
    inputs, outputs = (
        [numpy_helper.to_array(v) if isinstance(v, onnx.TensorProto) else v for v in values]
        for values in test.data_sets[0]  # type: ignore[attr-defined]
    )
    if not all(isinstance(value, np.ndarray) for value in [*inputs, *outputs]):
        return None
    bound = onnx.ModelProto()
    bound.CopyFrom(model)
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


def outcomes(chosen: Sequence[Case]) -> Iterator[tuple[Case, Outcome]]:
    for case in chosen:
        try:
            yield case, outcome(case)
        except Exception as error:
            lines = " ".join(str(error).split())
            yield case, Outcome("crashed", f"{type(error).__name__}: {lines[-300:]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of the names of the cases to run")
    parser.add_argument("--part", default="0/1", help="i/n: every n-th case, beginning with i")
    arguments = parser.parse_args()
    part, parts = map(int, arguments.part.split("/"))
    for case, result in outcomes([c for c in cases() if arguments.only in c.name][part::parts]):
        print(f"{case.operator}\t{case.name}\t{result.verdict}\t{result.detail}", flush=True)


if __name__ == "__main__":
    main()
