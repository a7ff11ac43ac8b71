# SPDX-License-Identifier: Apache-2.0
"""The quantised network: tensors, and layers in execution order."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from .layers import Layer
from .tensor import Tensor

Mode = Literal["tflite", "onnx"]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Network:
    """A quantised network in execution order.

    `mode` names the arithmetic that every layer obeys: "tflite" is TFLite's integer arithmetic with
    double rounding; "onnx" is QDQ arithmetic: exact integer accumulators, float32 scales, one
    rounding, half to even. `source` maps each input and output tensor to its name in the model.
    Networks are immutable: rewrites make new ones.
    """

    name: str
    mode: Mode
    tensors: dict[str, Tensor]
    layers: tuple[Layer, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    source: dict[str, str] = field(default_factory=dict)
    fallback: tuple[str, ...] = ()
    """Operators of the model that no kernel takes, and why: TVM's lowering gave them their C."""
    _derived: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, function: Callable[..., _T], *arguments: Hashable) -> _T:
        """What `function` gives for this network and `arguments`, computed the first time only."""
        key = (function, *arguments)
        if key not in self._derived:
            self._derived[key] = function(self, *arguments)
        result: _T = self._derived[key]
        return result

    def tensor(self, name: str) -> Tensor:
        return self.tensors[name]

    def input_of(self, layer: Layer, index: int = 0) -> Tensor:
        return self.tensors[layer.inputs[index]]

    def output_of(self, layer: Layer) -> Tensor:
        return self.tensors[layer.output]

    def producer(self, tensor: str) -> Layer | None:
        return next((layer for layer in self.layers if layer.output == tensor), None)

    def consumers(self, tensor: str) -> list[Layer]:
        return [layer for layer in self.layers if tensor in layer.inputs]

    def with_layers(
        self, layers: Iterable[Layer], tensors: dict[str, Tensor] | None = None, **changes: object
    ) -> Network:
        """A network with these layers, and without the tensors that nothing names any more."""
        layers = tuple(layers)
        merged = {**self.tensors, **(tensors or {})}
        result = replace(self, layers=layers, **changes)  # type: ignore[arg-type]
        used = {*result.inputs, *result.outputs}
        for layer in layers:
            used.update(layer.inputs, (layer.output,))
        return replace(result, tensors={n: t for n, t in merged.items() if n in used})
