# SPDX-License-Identifier: Apache-2.0
"""tinyengine-tvm: small, fast, self-contained C for int8 networks on microcontrollers."""

from .api import compile_model, compile_network
from .artifact import Artifact
from .errors import BoardError, ModelError, TinyEngineError, UnsupportedOperators
from .targets import TARGETS, Target, get_target
from .version import __version__

__all__ = [
    "TARGETS",
    "Artifact",
    "BoardError",
    "ModelError",
    "Target",
    "TinyEngineError",
    "UnsupportedOperators",
    "__version__",
    "compile_model",
    "compile_network",
    "get_target",
]
