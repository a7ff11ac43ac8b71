# SPDX-License-Identifier: Apache-2.0
"""add on the DSP extension: two multiplications per element, no table, both modes.

The constants come from `fitted_sum`. Four elements take 21 instructions: 2 loads, 4 masks that put
bytes into the upper half of halfwords, 8 multiplications, and 7 that saturate and pack the results (9
where the shift isn't 16). That is 5.25 per element; SMLAW takes one 16-bit operand, so each product
is an instruction of its own, and the bound of this scheme is 4 + 0.5 for loads + 0.25 for the store
with saturation for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from ...network import Add, Network, Quantisation, Tensor
from ...targets import Target
from ..base import Code, Configuration, Constant, Function, Kernel, Objective, Operands
from .fitted_sum import STORED, FittedSum, fit_sum
from .routine import HELPER, Routine

Reference = Callable[[Network, Add, list[np.ndarray]], np.ndarray]
Clamp = tuple[int, int]

_INT8 = (-128, 127)


class AddDsp(Kernel[Add]):
    """Two operands of the same shape, wherever `fitted_sum` finds constants."""

    name = "add_s8_4_dsp"
    layer = Add

    def __init__(self, reference: Reference) -> None:
        """reference: the layer's numpy semantics."""
        self._reference = reference

    def supports(self, network: Network, layer: Add, target: Target) -> bool:
        same = network.input_of(layer).shape == network.input_of(layer, 1).shape
        return target.has("dsp") and same and self._fitted(network, layer) is not None

    def configurations(
        self, network: Network, layer: Add, target: Target
    ) -> Sequence[Configuration]:
        """words: words of four elements per iteration."""
        return ({"words": 2}, {"words": 1}, {"words": 4})

    def choose(
        self, network: Network, layer: Add, target: Target, objective: Objective
    ) -> Configuration:
        return {"words": 1 if objective == "size" else 2}

    def overlap(self, network: Network, layer: Add, configuration: Configuration) -> dict[int, int]:
        """All of it: each word is read before it is written at the same place or before."""
        size = network.output_of(layer).nbytes
        return {0: size, 1: size}

    def emit(self, network: Network, layer: Add, configuration: Configuration) -> Code:
        found = self._fitted(network, layer)
        assert found is not None
        low, high = layer.clamp
        # Results are saturated to 0 ... 255 above the clamp's lower bound.
        height = found.c - low * (1 << found.shift)
        count = network.output_of(layer).elements
        how = [count, found.a, found.b, _wrapped(height)]
        if layer.clamp != _INT8:
            how += [_four_times(255 - (high - low)), _four_times(high - 255)]
        text = _text(found.shift, layer.clamp != _INT8, configuration["words"])

        def call(operands: Operands, names: Sequence[str]) -> str:
            a, b = operands.inputs
            return f"{names[0]}({a}, {b}, {operands.output}, {operands.constant('how')});"

        return Code(
            functions=(Function("te_add_s8_dsp", text, (HELPER,)),),
            constants=(Constant("how", np.array(how, np.int32)),),
            call=call,
        )

    def _fitted(self, network: Network, layer: Add) -> FittedSum | None:
        a, b, y = (network.tensor(n).quantisation for n in (*layer.inputs, layer.output))
        assert a is not None and b is not None and y is not None
        return _fitted(self._reference, network.mode, a, b, y, layer.clamp)


@lru_cache(maxsize=4096)
def _fitted(
    reference: Reference, mode: str, a: Quantisation, b: Quantisation, y: Quantisation, clamp: Clamp
) -> FittedSum | None:
    """The constants of an addition of these quantisations, or None."""
    tensors = {
        name: Tensor(name, shape, "int8", quantisation)
        for name, shape, quantisation in zip(
            "aby", ((256, 1), (1, 256), (256, 256)), (a, b, y), strict=True
        )
    }
    layer = Add("add", ("a", "b"), "y", clamp)
    network = Network("add", mode, tensors, (layer,), ("a", "b"), ("y",))  # type: ignore[arg-type]
    stored = STORED.astype(np.int8)
    table = reference(network, layer, [stored[:, None], stored[None, :]])
    slopes = (a.scale / y.scale, b.scale / y.scale)
    found = fit_sum(table, clamp, slopes, (a.zero_point, b.zero_point), y.zero_point)
    if found is None:
        return None
    # What the kernel computes is the sum without its lower bound: that must fit a word as well.
    most = np.abs(found.raw() - clamp[0] * (1 << found.shift)).max()
    return found if most < 1 << 31 else None


def _wrapped(value: int) -> int:
    """The signed value of the low 32 bits."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def _four_times(byte: int) -> int:
    """The byte in all four places of a signed word."""
    return _wrapped((byte % 256) * 0x01010101)


_REGISTERS = {
    "a": "r0",
    "b": "r1",
    "y": "r2",
    "count": "r3",
    "A": "r4",
    "B": "r5",
    "C": "r6",
    "mask": "r7",
    # Elements 1 and 3, 0 and 2 of either operand, and two sums.
    "a13": "r8",
    "b13": "r9",
    "a02": "r10",
    "b02": "r11",
    "s0": "r12",
    "s2": "lr",
    # Sums and results that take the place of operands.
    "s1": "r10",
    "s3": "r8",
    "result": "r8",
    "rise": "r10",
    "base": "r11",
}


@lru_cache(maxsize=64)
def _text(shift: int, clamped: bool, words: int) -> str:
    """The routine, shared by all layers of one shift that need a clamp or not."""
    r = Routine(_REGISTERS)
    r.ops("push {{r4-r11, lr}}", "mov {s0}, r3")
    r.op("ldmia {s0}!, {{r3-r6}}", "count, A, B, C")
    if clamped:
        r.op("ldrd {rise}, {base}, [{s0}]")
        r.op("push {{{rise}, {base}}}", "rise: saturates at the clamp's upper end; base: its lower")
    r.op("mov {mask}, #0xff00ff00")
    r.ops(f"subs {{count}}, #{4 * words}", "blo @rest")
    r.label("words")
    for _ in range(words):
        _word(r, shift, clamped)
    r.ops(f"subs {{count}}, #{4 * words}", "bhs @words")
    r.label("rest")
    r.ops(f"adds {{count}}, #{4 * words}", "beq @end")
    r.label("one_by_one")
    r.ops("ldrsb {a13}, [{a}], #1", "ldrsb {b13}, [{b}], #1")
    r.ops("lsl {a13}, {a13}, #8", "lsl {b13}, {b13}, #8")
    r.ops("smlawb {s3}, {A}, {a13}, {C}", "smlawb {s3}, {B}, {b13}, {s3}")
    r.op(f"usat {{result}}, #8, {{s3}}, asr #{shift}")
    _back(r, clamped)
    r.ops("strb {result}, [{y}], #1", "subs {count}, #1", "bne @one_by_one")
    r.label("end")
    if clamped:
        r.op("add sp, #8")
    r.op("pop {{r4-r11, pc}}")
    head = f"y = (a * A / 256 + b * B / 256 + C) >> {shift}, saturated. how: count, A, B, C"
    return r.text(
        head + (", rise and base of the clamp." if clamped else "."),
        ("const int8_t *a", "const int8_t *b", "int8_t *y", "const int32_t *how"),
    )


def _word(r: Routine, shift: int, clamped: bool) -> None:
    """Four elements."""
    r.ops("ldr {a13}, [{a}], #4", "ldr {b13}, [{b}], #4")
    for operand in "ab":
        r.op(
            f"and {{{operand}02}}, {{mask}}, {{{operand}13}}, lsl #8", "halves: elements times 256"
        )
        r.op(f"and {{{operand}13}}, {{{operand}13}}, {{mask}}")
    r.ops("smlawb {s0}, {A}, {a02}, {C}", "smlawt {s2}, {A}, {a02}, {C}")
    r.ops("smlawb {s1}, {A}, {a13}, {C}", "smlawt {s3}, {A}, {a13}, {C}")
    r.ops("smlawb {s0}, {B}, {b02}, {s0}", "smlawt {s2}, {B}, {b02}, {s2}")
    r.ops("smlawb {s1}, {B}, {b13}, {s1}", "smlawt {s3}, {B}, {b13}, {s3}")
    if shift == 16:
        r.ops("pkhtb {s2}, {s2}, {s0}, asr #16", "pkhtb {s3}, {s3}, {s1}, asr #16")
        r.ops("usat16 {s2}, #8, {s2}", "usat16 {s3}, #8, {s3}")
        r.op("orr {result}, {s2}, {s3}, lsl #8")
    else:
        r.ops(*(f"usat {{s{i}}}, #8, {{s{i}}}, asr #{shift}" for i in range(4)))
        r.ops("orr {s0}, {s0}, {s1}, lsl #8", "orr {s2}, {s2}, {s3}, lsl #8")
        r.op("orr {result}, {s0}, {s2}, lsl #16")
    _back(r, clamped)
    r.op("str {result}, [{y}], #4")


def _back(r: Routine, clamped: bool) -> None:
    """From distances above the lower bound to stored values."""
    if clamped:
        r.op("ldrd {rise}, {base}, [sp]")
        r.ops("uqadd8 {result}, {result}, {rise}", "uadd8 {result}, {result}, {base}")
    else:
        r.op("eor {result}, {result}, #0x80808080")
