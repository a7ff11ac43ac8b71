# SPDX-License-Identifier: Apache-2.0
"""Processor cores that code can be generated for."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import TinyEngineError


@dataclass(frozen=True)
class Target:
    """A core: what it can execute and how gcc is told about it.

    `features` holds "dsp" (SMLAD and its kin of ARMv7E-M and ARMv8-M), "mve" (Helium) and "fpu"
    (single-precision hardware floating point).
    """

    name: str
    description: str
    gcc_flags: tuple[str, ...]
    features: frozenset[str]

    def has(self, feature: str) -> bool:
        return feature in self.features


def _arm(core: str, description: str, features: str = "") -> Target:
    found = frozenset(features.split())
    float_abi = "hard" if "fpu" in found else "soft"
    flags: tuple[str, ...] = (f"-mcpu={core}", "-mthumb", f"-mfloat-abi={float_abi}")
    if "fpu" in found:
        flags += ("-mfpu=auto",)
    return Target(core, description, flags, found)


TARGETS: dict[str, Target] = {
    t.name: t
    for t in (
        Target("host", "this machine, portable C", (), frozenset({"fpu"})),
        _arm("cortex-m0plus", "ARMv6-M"),
        _arm("cortex-m3", "ARMv7-M"),
        _arm("cortex-m4", "ARMv7E-M: DSP extension, single-precision FPU", "dsp fpu"),
        _arm("cortex-m7", "ARMv7E-M: DSP extension, FPU, dual issue", "dsp fpu"),
        _arm("cortex-m33", "ARMv8-M Mainline: DSP extension, FPU", "dsp fpu"),
        Target(
            "cortex-m33-nodsp",
            "ARMv8-M Mainline without DSP extension and FPU",
            ("-mcpu=cortex-m33+nodsp", "-mthumb", "-mfloat-abi=soft"),
            frozenset(),
        ),
        _arm("cortex-m55", "ARMv8.1-M: Helium (MVE), DSP extension, FPU", "mve dsp fpu"),
    )
}


def get_target(name: str) -> Target:
    """The target of this name.

    Raises:
        TinyEngineError: the name is unknown; the message lists those that exist.
    """
    if name not in TARGETS:
        raise TinyEngineError(f"unknown target '{name}'; choose one of: {', '.join(TARGETS)}")
    return TARGETS[name]
