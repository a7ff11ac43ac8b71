# SPDX-License-Identifier: Apache-2.0
"""A compiled network: its files, and how it's saved, loaded, run and profiled."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import TinyEngineError
from .folders import write_archive, write_folder

if TYPE_CHECKING:
    from .profile import Profile

FILES = ("model.c", "model.h", "metadata.json", "report.json")


@dataclass
class Artifact:
    """A compiled network: the generated files, and what is known about it.

    `files` maps file names to their bytes; `metadata` and `report` are the content of
    metadata.json and report.json.
    """

    files: dict[str, bytes]
    metadata: dict[str, Any]
    report: dict[str, Any]
    directory: Path | None = None
    """Where the files are on disk, once saved or loaded."""
    _temporary: tempfile.TemporaryDirectory[str] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return str(self.metadata["name"])

    def save(self, directory: str | os.PathLike[str]) -> Path:
        """Writes all files to a new folder, or to one that exists and is empty.

        The folder appears with everything in it, or not at all.

        Raises:
            TinyEngineError: the folder holds something already, or can't be written.
        """
        final = Path(directory)
        write_folder(final, self.files)
        self.directory = final
        return final

    def save_archive(self, path: str | os.PathLike[str]) -> Path:
        """Writes the Model Library Format archive alone, to a file that doesn't exist yet.

        Raises:
            TinyEngineError: the file exists, or can't be written.
        """
        final = Path(path)
        write_archive(final, self.files[f"{self.name}.tar"])
        return final

    def save_copy(self, directory: str | os.PathLike[str]) -> Path:
        """As `save`, but `directory` isn't noted as where the files are."""
        known = self.directory
        try:
            return self.save(directory)
        finally:
            self.directory = known

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> Artifact:
        """Reads a folder that `save` or `tinyengine compile` wrote.

        Raises:
            TinyEngineError: the folder, or a file in it, is missing or damaged.
        """
        folder = Path(directory)
        if not folder.is_dir():
            raise TinyEngineError(f"'{folder}' is not a folder; give one that 'compile' wrote")
        try:
            files = {name: (folder / name).read_bytes() for name in FILES}
            facts = json.loads(files["metadata.json"])
            report = json.loads(files["report.json"])
            archive = f"{facts['name']}.tar"
            files[archive] = (folder / archive).read_bytes()
        except OSError as error:
            raise TinyEngineError(
                f"'{folder}' is not a compiled network ({Path(error.filename).name}: "
                f"{error.strerror}); give a folder that 'compile' wrote"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise TinyEngineError(
                f"'{folder}' holds damaged JSON ({error}); compile the model again"
            ) from error
        return cls(files, facts, report, folder)

    def _folder(self) -> Path:
        if self.directory is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="tinyengine-")
            self.save(Path(self._temporary.name) / self.name)
        assert self.directory is not None
        return self.directory

    def run(
        self, board: str, inputs: Mapping[str, np.ndarray] | np.ndarray
    ) -> dict[str, np.ndarray]:
        """Runs the network on a board, all samples in one boot.

        `inputs`: an array per input, by name, [samples, *shape] or [*shape]; a network of one
        input also takes the array itself. Returns an array [samples, *shape] per output.

        Raises:
            TinyEngineError: an array of the wrong name, shape or type; a failure on the board.
        """
        from .boards import get_board

        return dict(get_board(board).run(self._folder(), self._by_name(inputs)).outputs)

    def profile(
        self, board: str, inputs: Mapping[str, np.ndarray] | np.ndarray | None = None
    ) -> Profile:
        """Counts the instructions of one inference on a board, and measures SRAM and flash.

        `inputs`: one sample; zeros when not given.
        """
        from .boards import get_board

        given = None if inputs is None else self._by_name(inputs)
        return get_board(board).profile(self._folder(), given)

    def _by_name(self, inputs: Mapping[str, np.ndarray] | np.ndarray) -> dict[str, np.ndarray]:
        if isinstance(inputs, Mapping):
            return dict(inputs)
        names = [port["name"] for port in self.metadata["inputs"]]
        if len(names) != 1:
            raise TinyEngineError(f"the network has {len(names)} inputs; name them: {names}")
        return {names[0]: np.asarray(inputs)}
