# SPDX-License-Identifier: Apache-2.0
"""A layer, and a kernel for it that does whatever its configuration says, right or wrong."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from typing import Any

from tests.networks import int8_tensor
from tinyengine_tvm.kernels.base import Code, Configuration, Function, Kernel
from tinyengine_tvm.network import Clip, Network, verify
from tinyengine_tvm.targets import get_target
from tinyengine_tvm.tune import Workload

DEEDS = {
    "right": "",
    "wrong": "y[5] ^= 1;",
    "fault": "*(volatile int *)0x10 = 1;",
    "undefined": '__asm__ volatile("udf #7");',
    "hang": 'for (;;) { __asm__ volatile(""); }',
    "past scratch": "scratch[8] = 1;",
    "past output": "y[64] = 1;",
    "before output": "y[-1] = 1;",
    "input": "((int8_t *)x)[3] ^= 1;",
    "no C": "this isn't C;",
}


class Planted(Kernel[Clip]):
    """Copies with a clamp, and then does the deed; `wait` makes it slower."""

    name = "clip_s8_planted"
    layer = Clip

    def __init__(self, space: Sequence[Configuration] = ()) -> None:
        self.space = space

    def configurations(self, network: Network, layer: Clip, target: Any) -> Sequence[Configuration]:
        return self.space

    def scratch(self, network: Network, layer: Clip, configuration: Configuration) -> int:
        return 8

    def emit(self, network: Network, layer: Clip, configuration: Configuration) -> Code:
        deed = configuration["deed"]
        if deed == "raises":
            raise ValueError("no such tile")
        low, high = layer.clamp
        text = (
            "__attribute__((noinline)) static void @NAME@("
            "const int8_t *x, volatile int8_t *y, volatile int8_t *scratch, int wait)\n{\n"
            "    for (volatile int i = 0; i < wait; ++i) {\n    }\n"
            f"    for (int i = 0; i < 64; ++i) {{\n        y[i] = x[i] < {low} ? {low} : "
            f"x[i] > {high} ? {high} : x[i];\n    }}\n    scratch[7] = 1;\n    {DEEDS[deed]}\n}}\n"
        )
        wait = configuration.get("wait", 0)
        return Code(
            (Function("te_planted", text),),
            (),
            lambda o, names: f"{names[0]}({o.inputs[0]}, {o.output}, {o.scratch}, {wait});",
        )


class Inline(Executor):
    """Does at once, in this process, what is submitted."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


def clip_network() -> Network:
    x, y = int8_tensor("x", (1, 4, 4, 4)), int8_tensor("y", (1, 4, 4, 4))
    layer = Clip("clip", ("x",), "y", (-20, 90))
    return verify(Network("clip", "tflite", {"x": x, "y": y}, (layer,), ("x",), ("y",)))


def clip_workload() -> Workload:
    network = clip_network()
    return Workload(network, network.layers[0], get_target("cortex-m4"))
