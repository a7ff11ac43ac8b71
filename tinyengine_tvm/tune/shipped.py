# SPDX-License-Identifier: Apache-2.0
"""Records that ship with the project, for layers of common networks.

    python -m tinyengine_tvm.tune.shipped MODEL ... --records FILE --target cortex-m4 --output FILE

keeps of a file of `tinyengine tune` what a choice for these models can need: of each layer the
default, and what nothing beats in time, bytes, scratch and overlap. docs/tuning.md has the commands
that made what ships.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import TinyEngineError
from ..kernels.registry import kernels_for
from ..network import Network
from ..targets import Target, get_target
from .records import FAILED, Record, Records, cost
from .workload import Candidate, Workload

NAME = "shipped"
"""Stands for the records of a target where a file is asked for."""
FOLDER = Path(__file__).parent / "shipped_records"


def shipped_records(target: str) -> Records:
    """The records for a target.

    Raises:
        TinyEngineError: none ship for it; the message names those that have some.
    """
    file = FOLDER / f"{target}.jsonl.gz"
    if not file.is_file():
        known = ", ".join(sorted(p.name.split(".")[0] for p in FOLDER.glob("*.jsonl.gz")))
        raise TinyEngineError(
            f"no records ship for {target}, only for {known}; make some with 'tinyengine tune'"
        )
    found = Records()
    for line in gzip.decompress(file.read_bytes()).decode().splitlines():
        found.add(Record.parse(line))
    return found


def thinned(records: Records, network: Network, target: Target) -> dict[str, Record]:
    """What a choice for a network can need, by line."""
    kept: dict[str, Record] = {}
    found = {(r.workload, r.kernel, _text(r.configuration), r.code): r for r in records}
    for layer in network.layers:
        if not kernels_for(network, layer, target):
            continue
        workload = Workload(network, layer, target)
        measured: list[tuple[tuple[float, ...], str, Record]] = []
        for index, candidate in enumerate(workload.candidates):
            how = (candidate.kernel.name, _text(candidate.configuration), candidate.digest())
            record = found.get((workload.key, *how))
            if record is None or cost(record.measurement, "cycles") == FAILED:
                continue
            if index == 0:
                kept[record.line()] = record
            measured.append((_takes(record, candidate), record.line(), record))
        front: list[tuple[float, ...]] = []
        for takes, line, record in sorted(measured, key=lambda item: item[:2]):
            if not any(all(a <= b for a, b in zip(f, takes, strict=True)) for f in front):
                front.append(takes)
                kept[line] = record
    return kept


def _text(configuration: Any) -> str:
    return json.dumps(dict(configuration), sort_keys=True)


def _takes(record: Record, candidate: Candidate) -> tuple[float, ...]:
    m = record.measurement
    size = (m.code_bytes or 0) + (m.constant_bytes or 0)
    network, layer = candidate.network, candidate.layer
    overlap = candidate.kernel.overlap(network, layer, candidate.configuration)
    return cost(m, "cycles"), size, candidate.scratch_bytes, -sum(overlap.values())


def write(records: Iterable[Record], output: Path) -> None:
    text = "".join(record.line() for record in records)
    # Without a time of making: the same records give the same bytes.
    output.write_bytes(gzip.compress(text.encode(), mtime=0))


def main() -> None:
    from .. import rewrites
    from ..importers import import_network

    parser = argparse.ArgumentParser(description="Keeps of records what a choice can need.")
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    every, target = Records.load(given.records), get_target(given.target)
    mine = Records()
    for record in every:
        if (record.target, record.core) == (target.name, target.name):
            mine.add(record)
    kept: dict[str, Record] = {}
    for model in given.models:
        network = rewrites.apply(import_network(model, name="net"), frozenset())
        kept |= thinned(mine, network, target)
    write([kept[line] for line in sorted(kept)], given.output)
    print(f"{len(kept)} of {len(mine)} records, {given.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
