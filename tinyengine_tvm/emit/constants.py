# SPDX-License-Identifier: Apache-2.0
"""Constant arrays as C."""

from __future__ import annotations

import numpy as np

from ..network import C_TYPES


def _literals(data: np.ndarray) -> list[str]:
    flat = data.reshape(-1)
    if data.dtype == np.float32:
        # Hexadecimal floats are exact; decimal ones of seven digits are not.
        return [_float(float(v)) + "f" if np.isfinite(v) else _float(float(v)) for v in flat]
    if data.dtype == np.float64:
        return [_float(float(v)) for v in flat]
    if data.dtype == np.int64:
        return ["INT64_MIN" if v == -(1 << 63) else f"INT64_C({v})" for v in flat.tolist()]
    if data.dtype == np.uint64:
        return [f"UINT64_C({v})" for v in flat.tolist()]
    if data.dtype == np.bool_:
        return [str(int(v)) for v in flat]
    suffix = "u" if data.dtype == np.uint32 else ""
    return ["INT32_MIN" if v == -(1 << 31) else f"{v}{suffix}" for v in flat.tolist()]


def _float(value: float) -> str:
    if value != value:
        return "NAN"
    if value in (float("inf"), float("-inf")):
        return "INFINITY" if value > 0 else "-INFINITY"
    return value.hex()


def needs_math(data: np.ndarray) -> bool:
    """Whether the definition names what math.h defines."""
    return data.dtype.kind == "f" and not bool(np.all(np.isfinite(data)))


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
    alignment = max(4, data.dtype.itemsize)
    return f"_Alignas({alignment}) static const {C_TYPES[data.dtype.name]} {name}[{data.size}] = {{\n{body}\n}};\n"
