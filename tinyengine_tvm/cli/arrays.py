# SPDX-License-Identifier: Apache-2.0
"""Arrays in .npy and .npz files."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..errors import TinyEngineError


def read_arrays(path: Path) -> dict[str, np.ndarray] | np.ndarray:
    """The arrays of an .npz file by name, or the array of an .npy file.

    Raises:
        TinyEngineError: the file is missing, damaged, or holds anything but plain arrays.
    """
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            arrays = {name: loaded[name] for name in loaded.files}
    except OSError as error:
        raise TinyEngineError(
            f"can't read inputs '{path}': {error.strerror or 'the file is damaged'}"
        ) from error
    except Exception as error:
        # numpy, zipfile, zlib and tokenize raise a dozen types on damaged files.
        raise TinyEngineError(
            f"inputs '{path}' is no .npy or .npz file of plain arrays, or it is damaged; "
            "write it with numpy.save or numpy.savez"
        ) from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise TinyEngineError(
                f"'{name}' in '{path}' is no array; write the file with numpy.savez"
            )
    if not arrays:
        raise TinyEngineError(f"inputs '{path}' holds no array; write it with numpy.savez")
    return arrays


def require_writable(path: Path) -> None:
    """Checks, before the work is done, that `write_arrays` can write here.

    Raises:
        TinyEngineError: it can't.
    """
    if path.suffix != ".npz":
        raise TinyEngineError(f"outputs '{path}' must end in .npz")
    if path.is_dir():
        raise TinyEngineError(f"outputs '{path}' is a folder; name a file")
    if not path.parent.is_dir():
        raise TinyEngineError(f"the folder of outputs '{path}' doesn't exist; make it first")
    if not os.access(path.parent, os.W_OK):
        raise TinyEngineError(f"the folder of outputs '{path}' can't be written; choose another")


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes an .npz file whole or not at all; the same arrays give the same bytes.

    Raises:
        TinyEngineError: it can't be written.
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        # numpy.savez stamps the time, and refuses an array named "file".
        with open(handle, "wb") as file, zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
        # mkstemp makes the file private; an output is an ordinary file.
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise TinyEngineError(f"can't write outputs '{path}': {error.strerror}") from error
    finally:
        if temporary is not None:
            os.unlink(temporary)
