# SPDX-License-Identifier: Apache-2.0
"""add on MVE: two multiplications per four elements, both modes.

    y = clamp((a * A + b * B + C) >> (16 + n))

with the plane that the DSP kernel fits, its constants rounded to what 32 bits hold of the products; all
65,536 pairs are tried. Eight instructions take four elements: two widening loads, VMLAS and VMLA, two
narrowing shifts, of which the second saturates, the store and the end of the loop. The shifts are
VQRSHRNB, whose rounding is taken off C again: binutils 2.40 assembles VQSHRNB as VQRSHRNB, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...network import Add, Network
from ...targets import Target
from ..base import Code, Configuration, Constant, Function, Objective, Operands
from ..dsp.add import AddDsp
from ..dsp.fitted_sum import STORED, FittedSum
from ..dsp.routine import HELPER, Routine

_WORD = 1 << 31


@dataclass(frozen=True)
class Plane:
    """A, B, C as int32, and n: the shift beyond 16, 1 to 8. C is less the halves that shifts add."""

    a: int
    b: int
    c: int
    shift: int


@lru_cache(maxsize=4096)
def plane_of(fitted: FittedSum, clamp: tuple[int, int]) -> Plane | None:
    """The plane in 32-bit products that gives the same table, or None."""
    expected = fitted.table(clamp)
    assert expected is not None
    for shift in range(8, 0, -1):
        scale = 2.0 ** (16 + shift - fitted.shift)
        a, b = (round(v * scale / 256) for v in (fitted.a, fitted.b))
        products = a * STORED[:, None] + b * STORED[None, :]
        if np.abs(products).max() + abs(fitted.c * scale) > 0.999 * _WORD:
            continue
        # Two floors of the fitted sum lose something between 0 and 2 of its units.
        for lost in (1.0, 0.5, 1.5, 0.75, 1.25, 0.0, 0.25, 1.75, 2.0):
            c = round((fitted.c - lost) * scale)
            halves = (1 << 15) + (1 << (15 + shift))
            raw = products + c - halves
            # Within 16 bits, the first shift doesn't saturate.
            if np.abs(raw).max() < _WORD - (1 << 16) and np.array_equal(
                np.clip((raw + halves) >> (16 + shift), *clamp), expected
            ):
                return Plane(a, b, c - halves, shift)
    return None


class AddMve(AddDsp):
    """Two operands of the same shape, wherever the fitted plane survives the rounding."""

    name = "add_s8_4_mve"

    def supports(self, network: Network, layer: Add, target: Target) -> bool:
        return (
            target.has("mve")
            and super().supports(network, layer, target)
            and self._plane(network, layer) is not None
        )

    def configurations(
        self, network: Network, layer: Add, target: Target
    ) -> Sequence[Configuration]:
        return ({},)

    def choose(
        self, network: Network, layer: Add, target: Target, objective: Objective
    ) -> Configuration:
        return {}

    def emit(self, network: Network, layer: Add, configuration: Configuration) -> Code:
        plane = self._plane(network, layer)
        assert plane is not None
        clamped = layer.clamp != (-128, 127)
        how = [network.output_of(layer).elements, plane.a, plane.b, plane.c, *layer.clamp]

        def call(operands: Operands, names: Sequence[str]) -> str:
            a, b = operands.inputs
            return f"{names[0]}({a}, {b}, {operands.output}, {operands.constant('how')});"

        return Code(
            (Function("te_add_s8_mve", _text(plane.shift, clamped), (HELPER,)),),
            (Constant("how", np.array(how, np.int32)),),
            call,
        )

    def _plane(self, network: Network, layer: Add) -> Plane | None:
        fitted = self._fitted(network, layer)
        return None if fitted is None else plane_of(fitted, layer.clamp)


def _text(shift: int, clamped: bool) -> str:
    r = Routine({"a": "r0", "b": "r1", "y": "r2", "factor_b": "r5", "height": "r6"})
    r.ops("push {{r4-r8, lr}}", "ldmia r3, {{r3, r4, r5, r6, r7, r8}}", "vdup.32 q2, r4")
    if clamped:
        r.ops("vdup.8 q3, r7")
        # q4 and above belong to the caller.
        r.ops("vpush {{d8-d9}}", "vdup.8 q4, r8")
    r.op("wlstp.32 lr, r3, @done")
    r.label("four")
    r.ops("vldrb.s32 q0, [{a}], #4", "vldrb.s32 q1, [{b}], #4")
    r.ops("vmlas.s32 q0, q2, {height}", "vmla.s32 q0, q1, {factor_b}")
    r.ops("vqrshrnb.s32 q0, q0, #16", f"vqrshrnb.s16 q0, q0, #{shift}")
    if clamped:
        r.ops("vmax.s8 q0, q0, q3", "vmin.s8 q0, q0, q4")
    r.ops("vstrb.32 q0, [{y}], #4", "letp lr, @four")
    r.label("done")
    if clamped:
        r.op("vpop {{d8-d9}}")
    r.op("pop {{r4-r8, pc}}")
    arguments = ["const int8_t *a", "const int8_t *b", "int8_t *y", "const int32_t *how"]
    return r.text("y = clamp((a * A + b * B + C) >> S), four elements at a time.", arguments)
