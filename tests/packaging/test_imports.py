# SPDX-License-Identifier: Apache-2.0
"""TVM is imported where the architecture says, and only when it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAY = ("tinyengine_tvm/dialects", "tinyengine_tvm/importers", "tinyengine_tvm/fallback")
PACKAGES = ("tinyengine_tvm", "tinynas", "relay_passes")
TVM = {"tvm", "tvm_ffi", "tflite"}


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Top-level names of packages that code imports, at any depth, but not for type checkers."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.split(".")[0], node.lineno
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant):
                yield str(first.value).split(".")[0], node.lineno
        yield from imported(node)


def test_the_search_sees_every_form_of_import() -> None:
    text = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import a
import b.c, d
def f():
    from e.f import g
    from . import h
    importlib.import_module("i.j")
"""
    found = [name for name, _ in imported(ast.parse(text))]
    assert found == ["typing", "b", "d", "e", "i"]


def test_only_these_packages_import_tvm() -> None:
    wrong, right = [], 0
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            place = path.relative_to(ROOT).as_posix()
            allowed = place.startswith(("relay_passes/", *(f"{folder}/" for folder in MAY)))
            for name, line in imported(ast.parse(path.read_text(encoding="utf-8"))):
                if name not in TVM:
                    continue
                right += allowed
                wrong += [] if allowed else [f"{place}:{line} imports {name}"]
    assert not wrong, "\n".join(wrong)
    assert right > 20


@pytest.mark.parametrize(
    "module", ["tinyengine_tvm", "tinyengine_tvm.cli", "tinyengine_tvm.plugin"]
)
def test_no_tvm_until_it_is_needed(module: str) -> None:
    code = (
        f"import sys, {module}; print(*sorted({{'tvm', 'tvm_ffi', 'tflite'}} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
