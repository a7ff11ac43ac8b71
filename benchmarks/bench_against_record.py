# SPDX-License-Identifier: Apache-2.0
"""How far peers that were measured are from their recorded counts.

    python -m benchmarks.bench_against_record build/bench/bench.json

Of every engine the least and the greatest difference over models and boards, and the largest in per
cent; the record is tinyengine_tvm/bench/peers.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tinyengine_tvm.bench.recorded import recorded_rows

COLUMNS = (
    "instructions",
    "sram_bytes",
    "stack_bytes",
    "weights_flash_bytes",
    "code_flash_bytes",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bench", type=Path)
    given = parser.parse_args()
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    equal: dict[str, list[bool]] = {}
    for row in json.loads(given.bench.read_text())["rows"]:
        if row["source"] != "measured":
            continue
        for record in recorded_rows(row["model"], row["board"], row["core"]):
            if record.engine != row["engine"]:
                continue
            for column in COLUMNS:
                before, now = getattr(record, column), row[column]
                own = found.setdefault(row["engine"], {}).setdefault(column, [])
                own.append((now - before, 100 * (now / before - 1)))
            if row["outputs"] is not None:
                equal.setdefault(row["engine"], []).append(row["outputs"]["equal"])
    if not found:
        print("error: none of its rows was both measured and recorded", file=sys.stderr)
        return 2
    print("| engine | rows | outputs equal |" + " | ".join(("", *COLUMNS))[2:] + " |")
    print("|---|---|---|" + "---|" * len(COLUMNS))
    for engine, columns in found.items():
        cells = []
        for column in COLUMNS:
            least, most = min(columns[column]), max(columns[column])
            share = max((part for _, part in columns[column]), key=abs)
            cells.append(f"{least[0]:+,} to {most[0]:+,} ({share:+.2f} %)")
        outputs = equal.get(engine, [])
        same = f"{sum(outputs)} of {len(outputs)}"
        count = len(columns[COLUMNS[0]])
        print(f"| {engine} | {count} | {same} | {' | '.join(cells)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
