# SPDX-License-Identifier: Apache-2.0
"""Lowers a partitioned graph to a Network: one extractor per composite, from `operators`.

uint8 becomes int8 by shifting the zero point by 128; real values stay the same.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import ModelError, UnsupportedOperators
from ..network import (
    Layer,
    Mode,
    Network,
    NetworkError,
    Quantisation,
    Reshape,
    Tensor,
    Transpose,
    verify,
)
from .stored import UnsupportedError, quantisation, raw, to_int8
from .tree import Call, Constant, Expression, Graph, Node, Value, leaves, walk

TO_NHWC = (0, 2, 3, 1)
TO_NCHW = (0, 3, 1, 2)
INTERFACE = (
    "int8",
    "float32",
    "bool",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float64",
)
"""What inputs and outputs may be where TVM's code is at hand. uint8 would be stored as int8."""
ADVICE = "Quantise the model to int8 and keep to the operators in docs/operators.md"


def identifier(name: str, fallback: str) -> str:
    """A readable name of letters, digits and underscores made from a name of the model file."""
    name = re.sub(r"[^0-9A-Za-z]+", "_", name.split(";")[0]).strip("_").lower()
    if not name:
        return fallback
    return f"{fallback}_{name}" if name[0].isdigit() else name


@dataclass(frozen=True)
class Problem:
    """A call that no layer of ours expresses. `result` is the name of its value."""

    result: str
    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


class Lowering:
    """The network under construction; extractors call its methods."""

    def __init__(self, graph: Graph, name: str, mode: Mode, fallback: bool = False) -> None:
        self.graph, self.name, self.mode = graph, name, mode
        self.interface = INTERFACE if fallback else ("int8", "float32")
        """Element types that inputs and outputs may have."""
        self.problems: list[Problem] = []
        self.tensors: dict[str, Tensor] = {}
        self.layers: list[Layer] = []
        self.names: dict[str, str] = {}
        """Value name -> tensor name"""
        self._counts: dict[str, int] = {}
        # Layers leave the names of the outputs to the outputs.
        self._reserved = {identifier(n, "output") for n in graph.output_names}

    def unique(self, stem: str) -> str:
        """stem_0, stem_1, ..."""
        while True:
            count = self._counts.get(stem, 0)
            self._counts[stem] = count + 1
            name = f"{stem}_{count}"
            if name not in self.tensors and name not in self._reserved:
                return name

    def operand(self, expression: Expression) -> tuple[Tensor, Quantisation]:
        """The tensor under a dequantize; constants become tensors with data."""
        if not isinstance(expression, Node) or expression.op != "dequantize":
            raise UnsupportedError("an operand that isn't quantised")
        inner, wanted = expression[0], quantisation(expression)
        if isinstance(inner, Constant):
            data = to_int8(inner.data)
            name = self.unique("constant")
            self.tensors[name] = Tensor(name, data.shape, "int8", wanted, data)
        elif isinstance(inner, Value):
            name = self.names[inner.name]
        else:
            raise UnsupportedError(f"an operand made by {inner.op}")
        tensor = self.tensors[name]
        if tensor.quantisation != wanted:
            raise UnsupportedError(
                f"its input is stored with {tensor.quantisation} but read with {wanted}"
            )
        return tensor, wanted

    def tensor(self, expression: Expression) -> Tensor:
        """The tensor of a plain value of int8 or float32."""
        tensor = self.any_tensor(expression)
        if tensor.dtype not in ("int8", "float32"):
            raise UnsupportedError(f"values of type {tensor.dtype}")
        return tensor

    def any_tensor(self, expression: Expression) -> Tensor:
        """The tensor of a plain value."""
        if not isinstance(expression, Value):
            raise UnsupportedError("an operand that isn't an activation")
        return self.tensors[self.names[expression.name]]

    def constant(self, data: np.ndarray) -> Tensor:
        """A constant of any type."""
        name = self.unique("constant")
        raw = Quantisation(1.0, 0) if data.dtype == np.int8 else None
        self.tensors[name] = Tensor(name, data.shape, str(data.dtype), raw, data)
        return self.tensors[name]

    def emit(
        self,
        kind: type[Layer],
        inputs: tuple[str, ...],
        shape: tuple[int, ...],
        quantised: Quantisation | None,
        dtype: str | None = None,
        **fields: Any,
    ) -> Tensor:
        """Appends a layer with a new output tensor (float32 without quantisation)."""
        name = self.unique(kind.op)
        dtype = dtype or ("float32" if quantised is None else "int8")
        tensor = Tensor(name, tuple(shape), dtype, quantised)
        self.tensors[name] = tensor
        self.layers.append(kind(name=name, inputs=inputs, output=name, **fields))
        return tensor

    def reshaped(self, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """x under another shape; x itself when it has that shape already."""
        if x.shape == tuple(shape):
            return x
        if x.data is not None:
            name = self.unique("constant")
            tensor = replace(x, name=name, shape=tuple(shape), data=x.data.reshape(shape))
            self.tensors[name] = tensor
            return tensor
        return self.emit(Reshape, (x.name,), shape, x.quantisation, x.dtype)

    def permuted(self, x: Tensor, permutation: tuple[int, ...]) -> Tensor:
        """x transposed."""
        shape = tuple(x.shape[p] for p in permutation)
        return self.emit(
            Transpose, (x.name,), shape, x.quantisation, permutation=tuple(permutation)
        )

    def to_nhwc(self, x: Tensor, layout: str) -> Tensor:
        """A feature map of TVM's layout string as NHWC."""
        if layout not in ("NHWC", "NCHW"):
            raise UnsupportedError(f"layout {layout}")
        return self.permuted(x, TO_NHWC) if layout == "NCHW" else x

    def from_nhwc(self, x: Tensor, layout: str) -> Tensor:
        return self.permuted(x, TO_NCHW) if layout == "NCHW" else x

    def run(self) -> Network:
        """Lowers every call.

        Raises:
            UnsupportedOperators: lists every call that can't be lowered.
            ModelError: the model contradicts itself.
        """
        from .operators import EXTRACTORS

        source = self._inputs()
        for index, call in enumerate(self.graph.calls):
            try:
                if call.composite not in EXTRACTORS:
                    raise UnsupportedError("no kernel takes it in this place")
                result = EXTRACTORS[call.composite](self, call)
                if result.shape != call.result.shape:
                    raise UnsupportedError(f"shape {result.shape}, not {call.result.shape}")
            except UnsupportedError as error:
                where = f"{_describe(call)} (step {index}, '{call.result.name}')"
                self.problems.append(Problem(call.result.name, where, str(error)))
                result = self._placeholder(call)
            self.names[call.result.name] = result.name
        if self.problems:
            raise UnsupportedOperators([str(problem) for problem in self.problems], ADVICE)
        return self._finish(source)

    def _placeholder(self, call: Call) -> Tensor:
        """Stands for a result that can't be computed, so that later problems are found as well."""
        value = call.result
        known = read_as(self.graph, value)
        if call.root.op == "quantize":
            with contextlib.suppress(UnsupportedError):
                known = quantisation(call.root)
        dtype = "int8" if value.dtype == "uint8" else value.dtype
        name = self.unique("unsupported")
        known = None if dtype != "int8" else known or raw(value)
        self.tensors[name] = Tensor(name, value.shape, dtype, known)
        return self.tensors[name]

    def _inputs(self) -> dict[str, str]:
        source = {}
        graph = self.graph
        for value, file_name, stated in zip(
            graph.inputs, graph.input_names, graph.input_quantisations, strict=True
        ):
            name = self._free(identifier(file_name, "input"))
            if len(value.shape) > 1 and value.shape[0] != 1 and self._quantised():
                raise ModelError(
                    f"input '{file_name}' has batch {value.shape[0]}; export the model with batch 1"
                )
            if value.dtype not in self.interface:
                raise ModelError(
                    f"input '{file_name}' is {value.dtype}; export the model with an int8 or "
                    "float32 interface"
                )
            known = None
            if value.dtype == "int8":
                known = stated or read_as(graph, value)
                if known is None and "int64" in self.interface:
                    known = raw(value)
                if known is None:
                    raise ModelError(f"input '{file_name}' is int8 without a quantisation")
            self.tensors[name] = Tensor(name, value.shape, value.dtype, known)
            self.names[value.name] = name
            source[name] = file_name
        return source

    def _quantised(self) -> bool:
        """Whether anything in the model is."""
        nodes = (part for call in self.graph.calls for part in walk(call.root))
        return any(isinstance(part, Node) and "quantize" in part.op for part in nodes)

    def _free(self, stem: str) -> str:
        name, count = stem, 1
        while name in self.tensors:
            count += 1
            name = f"{stem}_{count}"
        return name

    def _finish(self, source: dict[str, str]) -> Network:
        inputs = tuple(self.names[value.name] for value in self.graph.inputs)
        outputs: list[str] = []
        for value, file_name in zip(self.graph.outputs, self.graph.output_names, strict=True):
            if value.dtype not in self.interface:
                raise ModelError(
                    f"output '{file_name}' is {value.dtype}; export the model with an int8 or "
                    "float32 interface"
                )
            tensor = self.tensors[self.names[value.name]]
            if tensor.name in outputs or tensor.name in inputs:
                # One tensor can't be two interfaces of the network; a copy can.
                tensor = self.emit(
                    Reshape, (tensor.name,), tensor.shape, tensor.quantisation, tensor.dtype
                )
            name = identifier(file_name, "output")
            if name != tensor.name:
                name = self._free(name)
                self._rename(tensor.name, name)
            outputs.append(name)
            source[name] = file_name
        network = Network(self.name, self.mode, self.tensors, (), inputs, tuple(outputs), source)
        network = network.with_layers(_live(self.layers, outputs))
        try:
            return verify(network)
        except NetworkError as error:
            raise ModelError(f"the model contradicts itself: {error}") from error

    def _rename(self, old: str, new: str) -> None:
        tensor = self.tensors.pop(old)
        self.tensors[new] = replace(tensor, name=new)
        self.layers = [
            replace(
                layer,
                inputs=tuple(new if name == old else name for name in layer.inputs),
                output=new if layer.output == old else layer.output,
            )
            for layer in self.layers
        ]
        self.names = {k: new if v == old else v for k, v in self.names.items()}


def _live(layers: list[Layer], outputs: list[str]) -> list[Layer]:
    """The layers that the outputs need, in their order."""
    needed, kept = set(outputs), []
    for layer in reversed(layers):
        if layer.output in needed:
            needed.update(layer.inputs)
            kept.append(layer)
    return kept[::-1]


def read_as(graph: Graph, value: Value) -> Quantisation | None:
    """The quantisation with which an int8 value is read, also after its bytes moved."""
    for call in graph.calls:
        if value not in leaves(call.root):
            continue
        for part in walk(call.root):
            if isinstance(part, Node) and part.op == "dequantize" and part[0] == value:
                try:
                    return quantisation(part)
                except UnsupportedError:
                    return None
        if call.result.dtype == value.dtype and call.root.op != "quantize":
            found = read_as(graph, call.result)
            if found is not None:
                return found
    return None


def _describe(call: Call) -> str:
    """The operators of a call for an error message, the least interesting ones left out."""
    if "function" in call.root.attributes:
        return str(call.root.attributes["function"])
    names = [part.op for part in walk(call.root) if isinstance(part, Node)]
    telling = [n for n in names if n not in ("quantize", "dequantize", "tuple", "clip", "reshape")]
    return (telling or names)[0]


def unsupported(graph: Graph, name: str, mode: Mode) -> list[Problem]:
    """What `lower` would refuse, in the order of execution.

    Raises:
        ModelError: as `lower`.
    """
    lowering = Lowering(graph, name, mode, True)
    with contextlib.suppress(UnsupportedOperators):
        lowering.run()
    return lowering.problems


def lower(graph: Graph, name: str, mode: Mode, fallback: bool = False) -> Network:
    """The verified Network of a partitioned graph.

    `fallback`: operators without a kernel were translated, so that inputs and outputs may be of any
    type.

    Raises:
        UnsupportedOperators: lists every operator that has no kernel.
        ModelError: the model isn't a quantised network of batch 1, or contradicts itself.
    """
    return Lowering(graph, name, mode, fallback).run()
