# SPDX-License-Identifier: Apache-2.0
"""Relay modules and functions, built as every TVM from 0.11 to 0.18 takes it.

TVM 0.11 knows no spans of functions and projections, and its modules get attributes one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tvm
from tvm import relay


def module_like(module: tvm.IRModule, functions: Mapping[Any, Any] | None = None) -> tvm.IRModule:
    """A new module with these functions, or the same ones, and everything else of `module`."""
    chosen = module.functions if functions is None else functions
    result = tvm.IRModule(dict(chosen.items()), module.type_definitions)
    attributes = getattr(module, "attrs", None)
    for name, value in attributes.items() if attributes else ():
        result = result.with_attr(name, tvm.runtime.convert(value))
    return result


def function_like(function: Any, body: Any, typed: bool = True) -> Any:
    """The function with another body; without `typed` its result's type is left to be inferred."""
    result = function.ret_type if typed else None
    return relay.Function(function.params, body, result, function.type_params, function.attrs)
