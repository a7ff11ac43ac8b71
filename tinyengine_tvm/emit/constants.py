# SPDX-License-Identifier: Apache-2.0
"""Constant arrays as C."""

from __future__ import annotations

import numpy as np

_TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
    "float32": "float",
}


def _literals(data: np.ndarray) -> list[str]:
    flat = data.reshape(-1)
    if data.dtype == np.float32:
        # Hexadecimal floats are exact; decimal ones of seven digits are not.
        return [float(v).hex() + "f" for v in flat]
    suffix = "u" if data.dtype == np.uint32 else ""
    return ["INT32_MIN" if v == -(1 << 31) else f"{v}{suffix}" for v in flat.tolist()]


def constant_array(name: str, data: np.ndarray) -> str:
    """`static const` definition of a constant, word-aligned so that kernels may load words."""
    lines, line = [], "   "
    for literal in _literals(data):
        if len(line) + len(literal) + 2 > 100:
            lines.append(line)
            line = "   "
        line += f" {literal},"
    lines.append(line)
    body = "\n".join(lines)
    return f"_Alignas(4) static const {_TYPES[data.dtype.name]} {name}[{data.size}] = {{\n{body}\n}};\n"
