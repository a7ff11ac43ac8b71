# SPDX-License-Identifier: Apache-2.0
"""Records survive torn lines, other versions and other writers."""

from __future__ import annotations

import json
import multiprocessing
import os
from dataclasses import replace

import pytest

from tinyengine_tvm.errors import TinyEngineError
from tinyengine_tvm.tune import Measurement, Record, Records
from tinyengine_tvm.tune.records import FAILED, append, cost


def record(number: int, **changes: object) -> Record:
    made = Record(
        workload=f"{number % 7:016x}",
        facts={"op": "conv2d", "output": [1, 2, 3, 4]},
        target="cortex-m4",
        core="cortex-m4",
        compiler="arm-none-eabi-gcc 12.2.1",
        kernel="conv",
        configuration={"unroll": number, "weights": "packed"},
        code="0123456789abcdef",
        measurement=Measurement("ok", "", 1000 + number, 1500, 100, 200, 0),
    )
    return replace(made, **changes)


def test_what_is_written_is_read(tmp_path):
    file = tmp_path / "records.jsonl"
    failed = record(3, measurement=Measurement("fault", "HardFault"))
    append(file, [record(1), record(2)])
    append(file, [failed])
    assert list(Records.load(file)) == [record(1), record(2), failed]
    assert cost(failed.measurement, "cycles") == FAILED


@pytest.mark.parametrize("cut", [2, 17, 200])
def test_a_torn_line_costs_itself_alone(tmp_path, cut):
    file = tmp_path / "records.jsonl"
    append(file, [record(1), record(2)])
    os.truncate(file, file.stat().st_size - cut)
    assert list(Records.load(file)) == [record(1)]
    append(file, [record(3)])
    found = Records.load(file)
    assert list(found) == [record(1), record(3)]
    assert found.skipped == 1


def test_other_versions_and_rubbish_are_passed_over(tmp_path):
    file = tmp_path / "records.jsonl"
    append(file, [record(1)])
    newer = {**json.loads(record(2).line()), "v": 2}
    with open(file, "ab") as out:
        out.write(json.dumps(newer).encode() + b"\n\xff\xfe\n[1]\n{}\n")
    found = Records.load(file)
    assert list(found) == [record(1)]
    assert found.skipped == 4


def test_the_last_measurement_of_the_same_thing_counts(tmp_path):
    file = tmp_path / "records.jsonl"
    again = replace(record(1), measurement=Measurement("ok", "", 5, 6, 7, 8, 9))
    other = replace(record(1), compiler="arm-none-eabi-gcc 13.2.1")
    append(file, [record(1), other, again])
    found = Records.load(file)
    assert {r.measurement.instructions for r in found} == {5, 1001}
    assert len(found.by_workload[record(1).workload]) == 2


def test_files_that_are_none(tmp_path):
    with pytest.raises(TinyEngineError, match="make them with 'tinyengine tune'"):
        Records.load(tmp_path / "missing.jsonl")
    (tmp_path / "model.c").write_text("int main(void)\n{\n}\n")
    with pytest.raises(TinyEngineError, match="holds no records"):
        Records.load(tmp_path / "model.c")


def _write(file, start):
    for number in range(start, start + 200):
        append(file, [record(number), record(number + 10_000)])


def test_processes_share_a_file(tmp_path):
    file = tmp_path / "records.jsonl"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(file, 1000 * i)) for i in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = Records.load(file)
    assert found.skipped == 0
    assert len(found) == 3 * 400


def test_costs():
    whole = Measurement("ok", "", 10, 15, 100, 200, 0)
    assert [cost(whole, o) for o in ("cycles", "instructions", "size")] == [15, 10, 300]
    # A core without a timing model.
    assert cost(replace(whole, cycles=None), "cycles") == 10
