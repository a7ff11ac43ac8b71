# SPDX-License-Identifier: Apache-2.0
"""C that all examples share: it fills a network's inputs and prints its outputs."""

from __future__ import annotations

import re
from typing import Any

from ..artifact import Artifact
from ..network import C_TYPES


def fill(template: str, **values: str) -> str:
    """`template` with every @NAME@ replaced by the value of that name."""
    return re.sub(r"@([A-Z_]+)@", lambda found: values[found[1]], template)


def c_type(port: dict[str, Any]) -> str:
    """The C type of an element of an input or output of metadata.json."""
    return C_TYPES[port["dtype"]]


def described(port: dict[str, Any]) -> str:
    """A port in words, as in "input_1: int8 [1, 49, 10, 1]"."""
    return f"{port['name']}: {port['dtype']} {port['shape']}"


def callbacks(artifact: Artifact) -> str:
    """Functions that give the rows of streamed inputs; empty where there are none."""
    return "".join(
        f"/* Rows of {described(port)}, which the network asks for when it needs them. */\n"
        f"static void give_{port['field']}(void *context, int32_t first_row, int32_t rows, "
        "void *destination)\n{\n    (void)context;\n    (void)first_row;\n"
        f"    memset(destination, {_zero(port)}, (size_t)rows * {port['row_bytes']});\n}}\n\n"
        for port in artifact.metadata["inputs"]
        if port.get("row_bytes")
    )


def fill_inputs(artifact: Artifact) -> str:
    """Statements that fill `inputs` with zeros, as the network has them quantised."""
    lines = []
    for port in artifact.metadata["inputs"]:
        field = port["field"]
        if port.get("row_bytes"):
            lines.append(f"    inputs.{field}_rows = give_{field};\n")
        else:
            lines.append(
                f"    /* {described(port)} */\n"
                f"    memset(inputs.{field}, {_zero(port)}, {port['bytes']});\n"
            )
    return "".join(lines)


def _zero(port: dict[str, Any]) -> int:
    return int(port["zero_point"] or 0) if c_type(port) != "float" else 0


def print_outputs(artifact: Artifact, whole: str, real: str, end: str) -> str:
    """Statements that print `outputs`, an element after the other and `end` after each array.

    `whole` and `real` are statements that print @VALUE@, an element of integers or of floats.
    """
    text = ""
    for port in artifact.metadata["outputs"]:
        kind = c_type(port)
        count = 1
        for side in port["shape"]:
            count *= side
        statement = fill(real if kind == "float" else whole, VALUE="values[i]")
        text += (
            f"    {{\n        /* {described(port)} */\n"
            f"        const {kind} *values = (const {kind} *)outputs.{port['field']};\n"
            f"        for (int i = 0; i < {count}; i++) {{\n            {statement}\n        }}\n"
            f"        {end}\n    }}\n"
        )
    return text
