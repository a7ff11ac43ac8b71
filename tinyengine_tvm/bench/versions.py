# SPDX-License-Identifier: Apache-2.0
"""Versions of what measured, and of what was measured."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from ..boards.tools import ARM_GCC
from ..profile.plugin import qemu_version
from ..version import __version__
from . import host
from .cmsis_nn import CmsisNN
from .recorded import recorded_facts
from .tflm import TfliteMicro


def versions(
    opened: Mapping[str, Sequence[TfliteMicro | CmsisNN]], with_host: bool
) -> dict[str, Any]:
    """Of our engine, gcc, QEMU, the peers' packages and libraries, and the recorded counts.

    A library doesn't tell its version, so that its digest has to do.
    """
    gcc = subprocess.run([ARM_GCC, "--version"], capture_output=True, text=True, check=False)
    return {
        "tinyengine-tvm": __version__,
        "gcc": gcc.stdout.partition("\n")[0].strip(),
        "qemu": qemu_version(),
        **({host.PACKAGE: host.version()} if with_host else {}),
        "libraries": [
            {
                "engine": peer.engine,
                "board": board,
                "file": peer.library.path.name,
                "sha256": peer.library.sha256,
            }
            for board, peers in opened.items()
            for peer in peers
        ],
        "recorded": recorded_facts(),
    }
