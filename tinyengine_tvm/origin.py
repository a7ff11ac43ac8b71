# SPDX-License-Identifier: Apache-2.0
"""The model that an artifact was compiled from: whether a file is it, and how it was imported."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ModelError

if TYPE_CHECKING:
    from .network import Network


def digest(model: Any) -> str:
    """SHA-256 of a model's file; empty for a module."""
    if isinstance(model, (str, os.PathLike)):
        return hashlib.sha256(Path(model).read_bytes()).hexdigest()
    return ""


def described(
    model: Any,
    interface: str,
    input_shapes: Mapping[str, Sequence[int]] | None,
    allow_slow: bool,
) -> dict[str, Any]:
    """What report.json tells of the import, so that it can be done again."""
    return {
        "model": Path(model).name if isinstance(model, (str, os.PathLike)) else None,
        "interface": interface,
        "input_shapes": {n: [*map(int, shape)] for n, shape in (input_shapes or {}).items()},
        "allow_slow": allow_slow,
    }


def require_model(metadata: Mapping[str, Any], report: Mapping[str, Any], model: Path) -> None:
    """Checks that a file is the model that an artifact was compiled from.

    Raises:
        ModelError: it's missing, or another one.
    """
    if not model.is_file():
        problem = "is not a file" if model.exists() else "doesn't exist"
        raise ModelError(f"model '{model}' {problem}; give the file that was compiled")
    known = metadata["model_sha256"]
    if not known:
        raise ModelError(
            f"network '{metadata['name']}' wasn't compiled from a file, so that '{model}' can't be "
            "told to be its model; compile it from the file"
        )
    found = digest(model)
    if found != known:
        name = report.get("options", {}).get("model")
        raise ModelError(
            f"'{model}' is another model than network '{metadata['name']}' was compiled from"
            f"{f', {name},' if name else ''} (SHA-256 {found[:12]}, not {known[:12]}); give that "
            "file, or compile again"
        )


def import_again(metadata: Mapping[str, Any], report: Mapping[str, Any], model: Path) -> Network:
    """The network that an artifact was compiled from, before its rewrites.

    Raises:
        ModelError: as `require_model`.
    """
    from .importers import import_network

    require_model(metadata, report, model)
    options = report.get("options", {})
    return import_network(
        model,
        name=metadata["name"],
        interface=options.get("interface", "keep"),
        input_shapes=options.get("input_shapes") or None,
        allow_slow=options.get("allow_slow", False),
    )
