# SPDX-License-Identifier: Apache-2.0
"""Which of TVM's graph dialects a model goes through."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Literal, get_args

from ..errors import TinyEngineError

Dialect = Literal["relax", "relay"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)


def installed_dialect() -> Dialect:
    """The dialect of the TVM that is installed, without importing it.

    TVM has Relax from 0.17 and Relay up to 0.18; our side of Relax needs a newer TVM than those.

    Raises:
        TinyEngineError: there is no TVM.
    """
    found = importlib.util.find_spec("tvm")
    places = found.submodule_search_locations if found is not None else None
    if not places:
        raise TinyEngineError("TVM isn't installed; pip install apache-tvm==0.27.0.post1")
    return "relay" if (Path(places[0]) / "relay").is_dir() else "relax"


def choose_dialect(wanted: str | None) -> Dialect:
    """The dialect wanted, by default that of the TVM that is installed.

    Raises:
        TinyEngineError: the dialect is unknown, or the TVM that is installed lacks it.
    """
    if wanted is not None and wanted not in DIALECTS:
        raise TinyEngineError(f"unknown dialect '{wanted}'; choose one of: {', '.join(DIALECTS)}")
    here = installed_dialect()
    if wanted == "relay" and here == "relax":
        raise TinyEngineError(
            "the TVM that is installed has no Relay; docs/relay.md tells how to set up one that has"
        )
    if wanted == "relax" and here == "relay":
        raise TinyEngineError(
            "the TVM that is installed is too old for Relax; leave out --dialect, or install "
            "apache-tvm 0.27"
        )
    return here


def dialect_of(module: Any) -> Dialect:
    """The dialect of a TVM module's functions."""
    from tvm import ir

    main = module["main"] if isinstance(module, ir.IRModule) else module
    return "relay" if type(main).__module__.startswith("tvm.relay") else "relax"
