# SPDX-License-Identifier: Apache-2.0
"""Reports: their numbers are those of their JSON, in every form and for every subject."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.report import subjects
from tests.report.page_reader import NUMBER, Page, agrees, read_page, value_at
from tinyengine_tvm.errors import TinyEngineError
from tinyengine_tvm.report.page import (
    FORMATS,
    build_report,
    compiled_facts,
    subjects_of,
    to_html,
    to_json,
    to_markdown,
    write_report,
)
from tinyengine_tvm.report.page.bench import bench_facts
from tinyengine_tvm.report.page.content import words
from tinyengine_tvm.report.page.panels import ROWS, network_picture, parts
from tinyengine_tvm.report.page.search import search_facts
from tinyengine_tvm.report.page.tuning import records_facts, tuned_facts


def records() -> dict[str, Any]:
    lines = subjects.tune_records().splitlines()[:-1]
    return records_facts("net.jsonl", [json.loads(line) for line in lines])


def every_subject(folder: Path) -> dict[str, dict[str, Any]]:
    return {
        "compiled": subjects.compiled(),
        "compiled, not measured": subjects.compiled(profile=None, plans=None, sram=None),
        "bench": bench_facts(subjects.bench()),
        "tune": tuned_facts(subjects.tune_document()),
        "records": records(),
        "search": search_facts(subjects.search_folder(folder / "nas")),
        "unfinished": search_facts(subjects.search_folder(folder / "begun", finished=False)),
    }


NAMES = (
    "compiled",
    "compiled, not measured",
    "bench",
    "tune",
    "records",
    "search",
    "unfinished",
)


def texts_in(facts: Any) -> str:
    """All texts and names of a document, one after the other."""
    if isinstance(facts, dict):
        return " ".join([*facts, *map(texts_in, facts.values())])
    if isinstance(facts, list):
        return " ".join(map(texts_in, facts))
    return facts if isinstance(facts, str) else ""


def loose_numbers(page: Page) -> list[str]:
    """Numbers that are no value of the JSON: none but those that number or name something."""
    known = texts_in(page.facts)
    found = []
    for tag, style, text in page.loose:
        for number in NUMBER.findall(text):
            numbering = (style == "n i" or tag == "text") and text.isdigit()
            origin = text in ("address 0", "0")
            named = re.search(rf"(?<!\d){re.escape(number)}(?!\d)", known) is not None
            if not (numbering or origin or named):
                found.append(f"<{tag}> {text}")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_a_page_is_the_json_s(name: str, tmp_path: Path) -> None:
    report = build_report([every_subject(tmp_path)[name]])
    page = read_page(to_html(report))
    assert page.facts == json.loads(to_json(report))
    wrong = [(k, t) for k, t in page.shown if not agrees(t, value_at(page.facts, k))]
    assert wrong == []
    assert len(page.shown) > 10
    assert loose_numbers(page) == []


def test_a_number_that_differs_is_found() -> None:
    html = to_html(build_report([subjects.compiled()]))
    page = read_page(html.replace(">6,789</span>", ">6,798</span>", 1))
    assert [t for k, t in page.shown if not agrees(t, value_at(page.facts, k))] == ["6,798"]
    page = read_page(html.replace("<p>", "<p>12.5 MB ", 1))
    assert [text[:11] for text in loose_numbers(page)] == ["<p> 12.5 MB"]


@pytest.mark.parametrize("name", NAMES)
def test_markdown_has_the_numbers_of_the_tables(name: str, tmp_path: Path) -> None:
    report = build_report([every_subject(tmp_path)[name]])
    text, page = to_markdown(report), read_page(to_html(report))
    in_pictures = {i for i, (tag, _) in enumerate(page.tags) if tag == "text"}
    spans = [
        str(a["data-key"])
        for i, (_, a) in enumerate(page.tags)
        if a.get("data-key") and i not in in_pictures
    ]
    told = dict(page.shown)
    plain = text.replace("\\", "")
    assert [told[key] for key in spans if told[key] not in plain] == []
    assert text.startswith("# ")
    assert "Each row is a layer" not in text


@pytest.mark.parametrize("name", NAMES)
def test_a_page_needs_nothing_else(name: str, tmp_path: Path) -> None:
    html = to_html(build_report([every_subject(tmp_path)[name]]))
    page = read_page(html)
    assert not re.search(r"https?:|@import|<script src|url\((?!#)", html)
    assert [a for t, a in page.tags if "src" in a or (t == "link" and a["href"] != "data:,")] == []
    assert "prefers-color-scheme: dark" in html and "@media print" in html
    assert ("meta", {"charset": "utf-8"}) in page.tags
    assert [t for t, _ in page.tags].count("h1") == 1


def test_the_same_facts_give_the_same_bytes(tmp_path: Path) -> None:
    for render in FORMATS.values():
        first, second = (render(build_report([subjects.compiled()])) for _ in range(2))
        assert first == second
    report = build_report([subjects.compiled()])
    for ending, render in FORMATS.items():
        write_report(report, tmp_path / f"r{ending}")
        assert (tmp_path / f"r{ending}").read_text(encoding="utf-8") == render(report)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.html", "r.json", "r.md"]


def test_names_can_be_anything() -> None:
    facts = subjects.compiled()
    name = "</script><b>&amp; {x} | `$y$` </td>"
    facts["layers"][0]["name"] = name
    facts["memory"]["peak"]["layer"] = name
    facts["name"] = name
    report = build_report([facts])
    page = read_page(to_html(report))
    assert page.facts == report.facts
    assert name in [text for _, text in page.shown]
    assert "b" not in {tag for tag, _ in page.tags} - {"b"}
    rows = [line for line in to_markdown(report).splitlines() if "</script" in line]
    table = [line for line in rows if line.startswith("|")]
    assert table and all(re.sub(r"\\\|", "", r).count("|") > 4 for r in table)
    assert "\\<b>" in to_markdown(report)


def test_budgets_say_what_is_left_and_what_is_missing() -> None:
    facts = subjects.compiled()
    usage = facts["usage"]["sram"]
    assert usage["counted"] == facts["memory"]["arena_bytes"] + 12
    assert usage["left"] == 4000 - usage["counted"]
    assert f"{usage['left']:,} bytes are left." in to_markdown(build_report([facts]))
    over = subjects.compiled(sram=100)
    assert over["usage"]["sram"]["left"] < 0
    assert "Over the budget." in to_markdown(build_report([over]))
    assert 'class="meter full"' in to_html(build_report([over]))
    none = subjects.compiled(sram=None, flash=None)
    assert "No budget was given" in to_markdown(build_report([none]))


def test_what_would_lower_the_peak() -> None:
    facts = subjects.compiled()
    around, live = facts["around_peak"], [la["live_bytes"] for la in facts["memory"]["layers"]]
    peak = facts["memory"]["peak"]["live_bytes"]
    assert peak == max(live)
    assert around["second"]["live_bytes"] == sorted(live)[-2]
    assert around["gain_bytes"] == peak - sorted(live)[-2]
    text = to_markdown(build_report([facts]))
    arena = facts["memory"]["arena_bytes"]
    assert f"| --sram {arena - 32} | {arena - 32:,} | 32 | 777 | 1.00 |" in text
    assert f"| --sram {arena - 64} --stream-input --mac-factor 1.301 |" in text
    assert f"| --sram {arena} |" not in text
    advice = to_markdown(build_report([subjects.compiled(plans=None)]))
    assert "--optimise sram" in advice


def test_commands_that_give_the_same_again() -> None:
    assert subjects.compiled()["commands"] == []
    made = subjects.artifact("cortex-m4")
    made.report["options"] = {
        "model": "my net.onnx",
        "interface": "int8",
        "optimise": "size",
        "sram": 4096,
        "flash": None,
        "records": None,
        "mac_factor": 1.5,
        "stream_input": True,
        "allow_slow": False,
        "disabled_rewrites": ["fold_mul"],
        "input_shapes": {"x": [1, 2]},
    }
    facts = subjects.compiled_facts(made.metadata, made.report, subjects.profile_of(made))
    first, second = facts["commands"]
    assert first == (
        "tinyengine compile 'my net.onnx' -o build/net --target cortex-m4 --name net "
        "--interface int8 --optimise size --sram 4096 --mac-factor 1.5 --stream-input "
        "--no-rewrite fold_mul --input-shapes 'x:[1,2]'"
    )
    assert second == "tinyengine report build/net --board mps2-an386 -o build/net.html"
    assert facts["usage"]["sram"]["limit"] == 4096


def test_several_networks_are_compared() -> None:
    one, two = subjects.compiled(), subjects.compiled(profile=None)
    page = read_page(to_html(build_report([one, two, bench_facts(subjects.bench())])))
    keys = [key for key, _ in page.shown]
    # Both have MACs; only one has instructions.
    assert keys.index("/subjects/0/macs") < keys.index("/subjects/1/macs")
    assert [k for k in keys if k == "/subjects/0/profile/instructions"] == [
        "/subjects/0/profile/instructions"
    ]
    assert [a for t, a in page.tags if t == "section" and a["class"] == "level1"] != []
    assert loose_numbers(page) == []


def test_long_networks_are_drawn_in_parts() -> None:
    assert parts(3) == [range(3)]
    assert parts(ROWS + 1) == [range(20), range(20, 41)]
    layers = [
        {
            "name": f"l{i}",
            "operator": "add",
            "inputs": [f"t{i - 1}", "t2"] if i == 9 else [f"t{i - 1}"],
            "output": f"t{i}",
            "output_shape": [1, 4],
        }
        for i in range(12)
    ]
    upper, lower = (network_picture(layers, rows, 2, "") for rows in (range(6), range(6, 12)))
    joints = [[type(item).__name__ for item in p.scene.items].count("Line") for p in (upper, lower)]
    # The line of the head, 5 steps, and 2 lines for the part of the edge from 2 to 9.
    assert joints == [1 + 5 + 2, 1 + 5 + 2]


def test_records_tell_the_best_over_time() -> None:
    facts = records()
    (load,) = facts["workloads"]
    assert (load["trials"], load["failed"]) == (5, 1)
    assert (load["default"], load["best"], load["gain"]) == (901, 801, 0.111)
    assert load["best_so_far"] == [1.0, 1.0, 0.889, 0.889]
    assert load["configuration"] == "unroll 3"


def test_what_is_given_is_told_apart(tmp_path: Path) -> None:
    def kinds(path: Path) -> list[str]:
        return [f["kind"] for f in subjects_of(path, lambda _: {"kind": "compiled"})]

    (tmp_path / "net").mkdir()
    (tmp_path / "bench.json").write_text(json.dumps(subjects.bench()))
    (tmp_path / "tune.json").write_text(json.dumps(subjects.tune_document()))
    (tmp_path / "tune.jsonl").write_text(subjects.tune_records())
    nas = subjects.search_folder(tmp_path / "nas")
    assert kinds(tmp_path / "net") == ["compiled"]
    assert kinds(tmp_path / "bench.json") == ["bench"]
    assert kinds(tmp_path) == ["bench"]
    assert kinds(tmp_path / "tune.json") == kinds(tmp_path / "tune.jsonl") == ["tune"]
    assert kinds(nas) == ["search"]
    (nas / "finish/seed0/compiled").mkdir(parents=True)
    assert kinds(nas) == ["search", "compiled"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "doesn't exist; give a folder of tinyengine compile"),
        (b"\xff\xfe", "can't be read"),
        (b"hello", "is nothing that a report can be about"),
        (b"[]", "is nothing that a report can be about"),
        (b'{"kind": "bench", "rows": [{}]}', "the comparison is damaged (KeyError: 'engine')"),
        (b'{"kind": "bench", "rows": 3}', "the comparison is damaged"),
        (b'{"workloads": [1], "records": ""}', "is damaged"),
        (b'{"v": 1, "workload": "", "facts": {}}', "are damaged"),
    ],
    ids=["missing", "binary", "text", "list", "row", "rows", "tune", "record"],
)
def test_what_it_can_t_be_about(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "what.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TinyEngineError, match=re.escape(message)) as raised:
        subjects_of(path, lambda _: {})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["evolve", "finish", "space"])
def test_damaged_searches(name: str, tmp_path: Path) -> None:
    folder = subjects.search_folder(tmp_path)
    for content in ("{", '{"choice": 3, "runs": [], "winner": 1, "chosen": 0}'):
        (folder / f"{name}.json").write_text(content)
        with pytest.raises(TinyEngineError, match="damaged"):
            search_facts(folder)


def test_words_refer_to_values() -> None:
    assert [getattr(p, "key", p) for p in words("a {b/c} d", "/x")] == ["a ", "/x/b/c", " d"]


def test_the_report_of_a_real_network(shared_models: Path) -> None:
    from tinyengine_tvm import compile_model

    made = compile_model(shared_models / "vww_96_int8.tflite", name="vww")
    facts = compiled_facts(made.metadata, made.report, subjects.profile_of(made))
    html = to_html(build_report([facts]))
    assert len(html.encode()) < 1_000_000
    page = read_page(html)
    assert [k for k, t in page.shown if not agrees(t, value_at(page.facts, k))] == []
    assert loose_numbers(page) == []
    assert len(page.shown) > 300


def test_a_comparison_has_no_empty_picture() -> None:
    facts = bench_facts(subjects.bench())
    sections = build_report([facts]).sections
    titles = ["".join(map(str, section.title)) for section in sections]
    assert titles == ["vww on mps2-an386", "In numbers", "How it was measured"]
    text = to_html(build_report([facts]))
    assert text.count("without softmax") == 2  # once to read, once in the JSON
    assert "another engine, recorded *" in text


def test_markdown_has_no_headings_over_nothing() -> None:
    lines = to_markdown(build_report([bench_facts(subjects.bench())])).splitlines()
    headings = [i for i, line in enumerate(lines) if line.startswith("#")]
    filled = [line for line in lines if line]
    assert len(headings) == 3  # the title, numbers, method: the pictures' section is gone
    for one, other in pairwise(filled):
        assert not (one.startswith("## ") and other.startswith("## "))


def test_a_search_says_how_to_do_it_again(tmp_path: Path) -> None:
    facts = search_facts(subjects.search_folder(tmp_path / "nas"))
    assert facts["command"] == (
        "tinynas search --task fashion-mnist --target cortex-m4 --sram 32kB --flash 9kB "
        "--tune-epochs 15 --teacher-kind largest --teachers 2 --teacher-epochs 7 --erase 0.25 "
        f"--seeds {len(facts['runs'])} -o build/fashion-mnist"
    )
