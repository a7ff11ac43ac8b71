# SPDX-License-Identifier: Apache-2.0
"""What is tuned: the layers of a network as workloads, and their candidates.

A workload's key holds the facts that decide which configurations there are: operator, shapes,
window and clamp. What else the code depends on, such as the requantisation that the weights allow,
or the other layers that share a routine, shows in the code itself: every measurement carries a
digest of it, and holds for a layer whose own code under that configuration has the same digest.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..emit.source import helper_text
from ..kernels.base import Code, Configuration, Kernel, Operands
from ..kernels.registry import kernels_for
from ..network import Layer, Network
from ..network.macs import layer_macs
from ..targets import Target

_NOT_FACTS = frozenset({"name", "inputs", "output", "weight", "weight_scale", "bias"})


@dataclass(frozen=True)
class Candidate:
    """One way to compute a layer of a network."""

    network: Network
    layer: Layer
    kernel: Kernel[Any]
    configuration: Configuration

    @cached_property
    def scratch_bytes(self) -> int:
        return self.kernel.scratch(self.network, self.layer, self.configuration)

    @cached_property
    def code(self) -> Code:
        """The C; whatever the kernel raises where it cannot emit this configuration."""
        return self.kernel.emit(self.network, self.layer, self.configuration)

    def digest(self) -> str:
        """Of all that decides instructions: the C, helpers included, without constants' values."""
        code = self.code
        operands = Operands(
            tuple(f"x{i}" for i in range(len(self.layer.inputs))), "y", "scratch", str
        )
        names = [f"f{i}" for i in range(len(code.functions))]
        helpers = dict.fromkeys(h for f in code.functions for h in f.helpers)
        parts = [
            *(f.text for f in code.functions),
            *(helper_text(h) for h in helpers),
            *(f"{c.name} {c.data.dtype} {c.data.shape}" for c in code.constants),
            code.call(operands, names),
        ]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    @property
    def constant_bytes(self) -> int:
        return sum(constant.data.nbytes for constant in self.code.constants)


@dataclass(frozen=True, eq=False)
class Workload:
    """A layer of a network on a target, and how often layers like it occur there."""

    network: Network
    layer: Layer
    target: Target
    count: int = 1

    @cached_property
    def facts(self) -> dict[str, Any]:
        """JSON-serialisable; layers with equal facts have the same configurations in general."""
        network, layer = self.network, self.layer
        found = {
            "op": layer.op,
            "mode": network.mode,
            "inputs": [list(network.tensor(n).shape) for n in layer.inputs],
            "output": list(network.output_of(layer).shape),
            "dtypes": [network.tensor(n).dtype for n in (*layer.inputs, layer.output)],
        }
        weight = getattr(layer, "weight", None)
        if weight is not None:
            found["weight"] = list(weight.shape)
        for field in dataclasses.fields(layer):
            if field.name not in _NOT_FACTS:
                found[field.name] = _plain(getattr(layer, field.name))
        return found

    @property
    def key(self) -> str:
        text = json.dumps(self.facts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def macs(self) -> int:
        return layer_macs(self.network, self.layer)

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """The space: what a compile takes without records first; every one once.

        Portable kernels are the fallback of the others, and in the space only where nothing else
        computes the layer.
        """
        kernels = kernels_for(self.network, self.layer, self.target)
        special = [k for k in kernels if not k.name.endswith("_portable")] or kernels[:1]
        first = kernels[0]
        choice = first.choose(self.network, self.layer, self.target, "speed")
        points: list[tuple[Kernel[Any], Configuration]] = [(first, choice)]
        for kernel in special:
            space = kernel.configurations(self.network, self.layer, self.target)
            points += [(kernel, point) for point in space]
        unique = {(k.name, json.dumps(c, sort_keys=True)): (k, c) for k, c in reversed(points)}
        return tuple(
            Candidate(self.network, self.layer, k, c) for k, c in reversed(unique.values())
        )

    @property
    def default(self) -> Candidate:
        return self.candidates[0]

    def arguments(self) -> list[np.ndarray]:
        """The layer's inputs: noise drawn from the key, and constant operands as they are."""
        random = np.random.default_rng(int(self.key, 16))
        values = []
        for name in self.layer.inputs:
            tensor = self.network.tensor(name)
            if tensor.data is not None:
                values.append(tensor.data)
            elif tensor.dtype == "int8":
                values.append(random.integers(-128, 128, tensor.shape).astype(np.int8))
            else:
                values.append(random.normal(0, 2, tensor.shape).astype(tensor.dtype))
        return values


def workloads_of(network: Network, target: Target) -> list[Workload]:
    """The distinct workloads of a network with more than one candidate, most work first.

    Two layers are one workload where their facts and their default code are equal.
    """
    found: dict[tuple[str, str], Workload] = {}
    counts: dict[tuple[str, str], int] = {}
    for layer in network.layers:
        if not kernels_for(network, layer, target):
            continue
        workload = Workload(network, layer, target)
        if len(workload.candidates) < 2:
            continue
        same = (workload.key, workload.default.digest())
        found.setdefault(same, workload)
        counts[same] = counts.get(same, 0) + 1
    loads = [dataclasses.replace(w, count=counts[same]) for same, w in found.items()]
    return sorted(loads, key=lambda w: -w.count * _work(w))


def _work(workload: Workload) -> int:
    shapes: Sequence[Sequence[int]] = [*workload.facts["inputs"], workload.facts["output"]]
    return workload.macs + sum(math.prod(shape) for shape in shapes)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return list(dataclasses.astuple(value))
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value
