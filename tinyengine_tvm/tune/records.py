# SPDX-License-Identifier: Apache-2.0
"""Measurements in a file: one JSON object per line, only ever appended.

A line is written by one write() under a lock, so that processes may share a file and a killed one
leaves at most a torn last line; readers pass over what isn't whole.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import TinyEngineError
from .measure import Measurement
from .workload import Candidate, Workload

VERSION = 1
Objective = Literal["cycles", "instructions", "size"]
FAILED = float("inf")


@dataclass(frozen=True)
class Record:
    """A measurement, and all that it depends on.

    workload: key; core: the board's processor, whose cycles are estimated; compiler: name and
    version; code: digest of the candidate's C, which also stands for the version of its template.
    """

    workload: str
    facts: Mapping[str, Any]
    target: str
    core: str
    compiler: str
    kernel: str
    configuration: Mapping[str, Any]
    code: str
    measurement: Measurement

    @property
    def identity(self) -> tuple[str, ...]:
        """Equal for measurements of the same thing."""
        how = json.dumps(self.configuration, sort_keys=True)
        head = (self.workload, self.target, self.core, self.compiler)
        return (*head, self.kernel, how, self.code)

    def line(self) -> str:
        values = asdict(self)
        measured = {k: v for k, v in values.pop("measurement").items() if v not in (None, "")}
        return json.dumps({"v": VERSION, **values, **measured}, separators=(",", ":")) + "\n"

    @classmethod
    def parse(cls, line: str) -> Record:
        """The record of a line.

        Raises:
            ValueError: the line is torn, of another version, or no record.
        """
        values = json.loads(line)
        if not isinstance(values, dict) or values.pop("v", None) != VERSION:
            raise ValueError("another version")
        names = set(Measurement.__dataclass_fields__)
        try:
            measured = Measurement(**{k: values.pop(k) for k in names & set(values)})
            return cls(**values, measurement=measured)
        except TypeError as error:
            raise ValueError(str(error)) from error


def cost(measurement: Measurement, objective: Objective) -> float:
    """What is minimised; infinite for a candidate that failed.

    Cores without a timing model are compared by instructions.
    """
    m = measurement
    if m.status != "ok" or m.instructions is None:
        return FAILED
    if objective == "size":
        return float((m.code_bytes or 0) + (m.constant_bytes or 0))
    if objective == "cycles" and m.cycles is not None:
        return float(m.cycles)
    return float(m.instructions)


def append(path: Path, records: Iterable[Record]) -> None:
    """Appends records to a file, which is created if need be.

    Raises:
        TinyEngineError: the file can't be written.
    """
    text = "".join(record.line() for record in records).encode()
    if not text:
        return
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                # Somebody was killed while writing; a torn line must not take ours with it.
                text = b"\n" + text
            written = os.write(handle, text)
        finally:
            os.close(handle)
    except OSError as error:
        raise TinyEngineError(f"can't write records to '{path}': {error.strerror}") from error
    if written != len(text):
        raise TinyEngineError(f"can't write records to '{path}': the disk is full")


@dataclass
class Records:
    """What is known, the newest of each identity."""

    by_identity: dict[tuple[str, ...], Record] = field(default_factory=dict)
    by_workload: dict[str, list[Record]] = field(default_factory=dict)
    skipped: int = 0
    """Lines that are torn, or of another version."""

    @classmethod
    def load(cls, path: Path) -> Records:
        """Reads a file.

        Raises:
            TinyEngineError: it is missing, can't be read, or holds no record though it isn't empty.
        """
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise TinyEngineError(
                f"can't read records '{path}': {error.strerror}; make them with 'tinyengine tune'"
            ) from error
        found = cls()
        for line in lines:
            try:
                found.add(Record.parse(line.decode()))
            except ValueError:
                found.skipped += bool(line.strip())
        if found.skipped > 1 and not found.by_identity:
            raise TinyEngineError(
                f"'{path}' holds no records of version {VERSION}; make it with 'tinyengine tune'"
            )
        return found

    def add(self, record: Record) -> None:
        old = self.by_identity.get(record.identity)
        same = self.by_workload.setdefault(record.workload, [])
        if old is not None:
            same.remove(old)
        self.by_identity[record.identity] = record
        same.append(record)

    def __len__(self) -> int:
        return len(self.by_identity)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.by_identity.values())


def record_of(
    workload: Workload, candidate: Candidate, measured: Measurement, core: str, compiler: str
) -> Record:
    """The record of a measurement. A candidate whose C can't be emitted has the digest ""."""
    try:
        digest = candidate.digest()
    except Exception:
        # The measurement tells why it can't.
        digest = ""
    return Record(
        workload.key,
        workload.facts,
        workload.target.name,
        core,
        compiler,
        candidate.kernel.name,
        dict(candidate.configuration),
        digest,
        measured,
    )
