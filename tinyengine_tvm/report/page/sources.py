# SPDX-License-Identifier: Apache-2.0
"""What a report can be about: folders and files, and what each of them is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...errors import TinyEngineError
from .bench import bench_facts
from .compiled import compiled_facts
from .search import SETTINGS, compiled_folder, search_facts
from .tuning import records_facts, tuned_facts

PROFILE = "profile.json"
"""In a compiled folder: what `tinyengine profile --json` printed."""
BENCH = "bench.json"
"""In a folder of `tinyengine bench`."""
WHAT = (
    "give a folder of tinyengine compile, of tinyengine bench or of tinynas, the records of "
    "tinyengine tune, or what its --json printed"
)


def subjects_of(
    path: Path, compiled: Callable[[Path], dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """The facts of what lies at a path. `compiled` gives those of a compiled folder; by default
    they are what it holds.

    Raises:
        TinyEngineError: it's nothing that a report can be about, or it is damaged.
    """
    compiled = compiled or folder_facts
    if path.is_dir():
        if (path / SETTINGS).is_file():
            found, network = [search_facts(path)], compiled_folder(path)
            return found if network is None else [*found, compiled(network)]
        if not (path / BENCH).is_file():
            return [compiled(path)]
        path = path / BENCH
    if not path.is_file():
        raise TinyEngineError(f"'{path}' doesn't exist; {WHAT}")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TinyEngineError(f"'{path}' can't be read ({error}); {WHAT}") from None
    return [_of_text(path, text)]


def _of_text(path: Path, text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        return _of_lines(path, text)
    if isinstance(document, dict) and document.get("kind") == "bench":
        return bench_facts(document)
    if isinstance(document, dict) and {"workloads", "records"} <= set(document):
        try:
            return tuned_facts(document)
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            problem = f"'{path}' is damaged ({type(error).__name__}: {error}); tune again"
            raise TinyEngineError(problem) from None
    # One record is a document as well.
    return _of_lines(path, text)


def _of_lines(path: Path, text: str) -> dict[str, Any]:
    records = []
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            # A process that was killed leaves a torn line.
            continue
        if isinstance(record, dict) and {"v", "workload", "facts"} <= set(record):
            records.append(record)
    if not records:
        raise TinyEngineError(f"'{path}' is nothing that a report can be about; {WHAT}")
    try:
        return records_facts(path.name, records)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        problem = f"records '{path}' are damaged ({type(error).__name__}: {error})"
        raise TinyEngineError(problem) from None


def folder_facts(
    folder: Path, profile: Mapping[str, Any] | None = None, **options: Any
) -> dict[str, Any]:
    """`compiled_facts` of a folder, with the profile that it holds unless one is given.

    Raises:
        TinyEngineError: it's no compiled folder, of another version, or damaged.
    """

    def read(name: str) -> dict[str, Any]:
        return dict(json.loads((folder / name).read_text(encoding="utf-8")))

    try:
        if profile is None and (folder / PROFILE).is_file():
            profile = read(PROFILE)
        return compiled_facts(read("metadata.json"), read("report.json"), profile, **options)
    except FileNotFoundError as error:
        missing = Path(error.filename).name
        raise TinyEngineError(f"'{folder}' holds no {missing}; {WHAT}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TinyEngineError(
            f"'{folder}' is of another version or damaged ({type(error).__name__}: {error}); "
            "compile the model again"
        ) from None
