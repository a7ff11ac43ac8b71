# SPDX-License-Identifier: Apache-2.0
"""The peers that the user has built, as named on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import TinyEngineError
from ..targets import Target
from . import cmsis_nn, tflm
from .cmsis_nn import CmsisNN
from .tflm import TfliteMicro


@dataclass(frozen=True)
class Peers:
    """Libraries and folders of headers; `{core}` in a library's path is the target's name.

    tflm_libraries: PATH, or NAME=PATH for a name of one's own.
    relay_python: the interpreter of an environment with a TVM that has Relay.
    """

    tflm_libraries: tuple[str, ...] = ()
    tflm_includes: tuple[Path, ...] = ()
    cmsis_nn_library: str | None = None
    cmsis_nn_includes: tuple[Path, ...] = ()
    relay_python: Path | None = None

    def check(self) -> None:
        """Raises TinyEngineError where a library has no headers, or headers no library."""
        for libraries, folders, library, include in (
            (self.tflm_libraries, self.tflm_includes, tflm.LIBRARY, tflm.INCLUDE),
            (self.cmsis_nn_library, self.cmsis_nn_includes, cmsis_nn.LIBRARY, cmsis_nn.INCLUDE),
        ):
            if libraries and not folders:
                raise TinyEngineError(f"{library} needs {include}, the folder of its headers")
            if folders and not libraries:
                raise TinyEngineError(f"{include} needs {library}, the library")

    def open(self, target: Target) -> list[TfliteMicro | CmsisNN]:
        """The libraries for a target's core, checked.

        Raises:
            TinyEngineError: one is missing or for another core, or two have one name.
        """
        opened: list[TfliteMicro | CmsisNN] = []
        further = []
        if self.cmsis_nn_library is not None:
            direct = CmsisNN.open(self.cmsis_nn_library, self.cmsis_nn_includes, target)
            opened.append(direct)
            further.append(direct.library)
        for named in self.tflm_libraries:
            opened.append(TfliteMicro.open(named, self.tflm_includes, target, further))
        _require_names(opened)
        return opened


def _require_names(opened: Sequence[TfliteMicro | CmsisNN]) -> None:
    engines = [peer.engine for peer in opened]
    twice = next((engine for engine in engines if engines.count(engine) > 1), None)
    if twice is not None:
        raise TinyEngineError(
            f"two libraries are '{twice}'; tell them apart with {tflm.LIBRARY} NAME=PATH"
        )
