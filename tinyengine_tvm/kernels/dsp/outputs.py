# SPDX-License-Identifier: Apache-2.0
"""The end of a block of 4 channels: requantisation, clamp, and stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .assembly import Assembly
from .stack import SLOT

X0, X1, W0, W1 = "r8", "r9", "r10", "r11"
BUFFER, WEIGHTS = "r12", "lr"

Form = Literal["packed", "wide"]
"""Weights as int8, two channels to a halfword, or as int16."""
Rescale = Literal["fitted", "fitted_each", "two_step", "two_step_halves"]
"""See requantise.py and fitted.py; `each`: every channel has its own shift; `halves`: outputs fit 16
bits before they are saturated, so that two are at once."""
Pixels = Sequence[tuple[str, str, str, str]]
"""The registers of the sums of four channels, of one or two pixels."""


@dataclass(frozen=True)
class Outputs:
    """What sums become.

    shift: the immediate of the requantisation's shift (fitted only); tail: channels beyond the last
    multiple of 4, or None: any number; low, high: whether the clamp is narrower than int8 there.
    """

    rescale: Rescale
    shift: int
    tail: int | None
    low: bool
    high: bool


def rescale(a: Assembly, outputs: Outputs, form: Form, pixels: Pixels) -> None:
    """Sums of four channels per pixel to int8, packed in the first register of each pixel.

    Reads the constants from `WEIGHTS`; uses r8 to r12.
    """
    packed = form == "packed"
    if packed:
        a.note("256 times the sums of odd channels")
        for channel in (1, 3):
            for pixel in pixels:
                a(f"sub {pixel[channel]}, {pixel[channel - 1]}")
    if outputs.rescale.startswith("fitted"):
        for half in (0, 2):
            a(f"ldmia {WEIGHTS}!, {{{X0}, {X1}, {W0}, {W1}}}")
            for channel, (m, r) in zip((half, half + 1), ((X0, X1), (W0, W1)), strict=True):
                for pixel in pixels:
                    a(f"smmla {pixel[channel]}, {pixel[channel]}, {m}, {r}")
        if outputs.rescale == "fitted_each":
            a.note("a shift takes the low byte of its register")
            a(f"ldr {X0}, [{WEIGHTS}], #4")
            for channel in range(4):
                for pixel in pixels:
                    a(f"asr {pixel[channel]}, {X0}")
                if channel < 3:
                    a(f"lsr {X0}, #8")
        for channel in range(4):
            shift = outputs.shift + (8 if packed and channel % 2 else 0)
            asr = f", asr #{shift}" if shift and outputs.rescale == "fitted" else ""
            for pixel in pixels:
                a(f"ssat {pixel[channel]}, #8, {pixel[channel]}{asr}")
    else:
        if packed:
            for channel in (1, 3):
                for pixel in pixels:
                    a(f"asr {pixel[channel]}, #8")
        a(f"ldmia {WEIGHTS}!, {{{X0}, {X1}, {W0}, {W1}}}")
        for channel, m in enumerate((X0, X1, W0, W1)):
            for pixel in pixels:
                a(f"smmlar {pixel[channel]}, {pixel[channel]}, {m}, {pixel[channel]}")
        a(f"ldmia {WEIGHTS}!, {{{X0}, {X1}, {W0}, {W1}}}")
        a(f"ldr {BUFFER}, [sp, #{SLOT['zero_point']}]")
        for channel, m in enumerate((X0, X1, W0, W1)):
            for pixel in pixels:
                a(f"smmlar {pixel[channel]}, {pixel[channel]}, {m}, {BUFFER}")
        if outputs.rescale == "two_step":
            for channel in range(4):
                for pixel in pixels:
                    a(f"ssat {pixel[channel]}, #8, {pixel[channel]}")
    for p in pixels:
        if outputs.rescale == "two_step_halves":
            a(f"pkhbt {p[0]}, {p[0]}, {p[2]}, lsl #16", f"pkhbt {p[1]}, {p[1]}, {p[3]}, lsl #16")
            a(f"usat16 {p[0]}, #8, {p[0]}", f"usat16 {p[1]}, #8, {p[1]}")
            a(f"orr {p[0]}, {p[0]}, {p[1]}, lsl #8", f"eor {p[0]}, #0x80808080")
        else:
            a(f"bfi {p[0]}, {p[1]}, #8, #8", f"bfi {p[2]}, {p[3]}, #8, #8")
            a(f"pkhbt {p[0]}, {p[0]}, {p[2]}, lsl #16")
    if outputs.low or outputs.high:
        a(f"ldrd {X0}, {X1}, [sp, #{SLOT['low']}]")
    for p in pixels:
        if outputs.low:
            a(f"ssub8 {W0}, {p[0]}, {X0}", f"sel {p[0]}, {p[0]}, {X0}")
        if outputs.high:
            a(f"ssub8 {W0}, {X1}, {p[0]}", f"sel {p[0]}, {p[0]}, {X1}")


def store(a: Assembly, outputs: Outputs, pixels: Pixels, block: int) -> None:
    """Stores a word per pixel, or what is left of it, and goes to label `block` until all is done.

    Leaves the end of the first pixel's output in r8 and the distance of the second pixel in r9.
    """
    one = pixels[0][0]
    words = [f"str {p[0]}, [{X0}, {X1}]" for p in pixels[1:]]
    words += [f"str {one}, [{X0}], #4", f"str {X0}, [sp]"]
    a(f"ldm sp, {{{X0}, {X1}, {W0}}}")
    if outputs.tail == 0:
        a(*words, f"cmp {WEIGHTS}, {W0}", f"bne.w {block}b")
        return
    a(f"cmp {WEIGHTS}, {W0}", "beq 5f", *words, f"b.w {block}b")
    a.label(5)
    a.note(f"the last {outputs.tail or ''} channels".replace("  ", " "))
    a(f"add {W1}, {X0}, {X1}")
    places = (*((p[0], W1) for p in pixels[1:]), (one, X0))
    if outputs.tail is None:
        a(f"ldr {W0}, [sp, #{SLOT['last']}]")
        a.label(11)
        for value, at in places:
            a(f"strb {value}, [{at}], #1", f"lsr {value}, #8")
        a(f"subs {W0}, #1", "bne 11b")
        return
    for value, at in places:
        post = f", #{outputs.tail}" if at == X0 and outputs.tail < 3 else ""
        if outputs.tail == 3:
            a(f"strh {value}, [{at}], #2", f"lsr {value}, #16", f"strb {value}, [{at}], #1")
        else:
            a(f"{'strb' if outputs.tail == 1 else 'strh'} {value}, [{at}]{post}")
