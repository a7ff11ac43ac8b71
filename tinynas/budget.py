# SPDX-License-Identifier: Apache-2.0
"""What a network may take of a microcontroller."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from tinyengine_tvm.budget import parse_size

from .errors import NasError

_FREQUENCY = {"hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9}
_TIME = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True)
class Budget:
    """`sram` and `flash` in bytes, `cycles` per inference; None for no limit.

    SRAM is the arena with input and output and static data; flash is weights and code.
    """

    sram: int | None = None
    flash: int | None = None
    cycles: float | None = None

    @classmethod
    def parse(
        cls, sram: str | None = None, flash: str | None = None, latency: str | None = None
    ) -> Budget:
        """From texts such as '32kB', '256kB' and '20ms@80MHz'.

        Raises:
            NasError: a text that says no size or no latency.
        """
        return cls(
            None if sram is None else parse_size(sram),
            None if flash is None else parse_size(flash),
            None if latency is None else parse_latency(latency),
        )

    @property
    def unlimited(self) -> bool:
        return self == Budget()

    @property
    def options(self) -> str:
        """As options of the command."""
        parts = [f"--sram {self.sram}" if self.sram is not None else ""]
        parts.append(f"--flash {self.flash}" if self.flash is not None else "")
        # A clock of one megahertz makes microseconds of cycles.
        parts.append(f"--latency {self.cycles:.0f}us@1MHz" if self.cycles is not None else "")
        return " ".join(part for part in parts if part)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        parts = [
            f"{value:,.0f} {what}"
            for value, what in (
                (self.sram, "bytes of SRAM"),
                (self.flash, "bytes of flash"),
                (self.cycles, "cycles"),
            )
            if value is not None
        ]
        return ", ".join(parts) or "no limit"


def parse_latency(text: str) -> float:
    """Cycles of '20ms@80MHz'.

    Raises:
        NasError: the text isn't a time at a clock.
    """
    found = re.fullmatch(
        r"\s*([0-9.]+)\s*(us|ms|s)\s*@\s*([0-9.]+)\s*([kmg]?hz)\s*", text, re.IGNORECASE
    )
    try:
        if found is None:
            raise ValueError
        seconds = float(found[1]) * _TIME[found[2].lower()]
        cycles = seconds * float(found[3]) * _FREQUENCY[found[4].lower()]
        if cycles <= 0:
            raise ValueError
    except ValueError:
        raise NasError(
            f"'{text}' is no latency; write a time at a clock, as in 20ms@80MHz"
        ) from None
    return cycles
