# SPDX-License-Identifier: Apache-2.0
"""From the facts of one or several subjects to a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...version import __version__
from .bench import bench_sections, bench_subtitle, bench_title
from .compare import comparison
from .compiled_page import compiled_sections
from .compiled_page import subtitle as compiled_subtitle
from .content import Paragraph, Report, Section, Words, words
from .search import search_sections, search_subtitle, search_title
from .tuning import tune_sections, tune_subtitle, tune_title

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class _Kind:
    title: Callable[[Facts], str]
    subtitle: Callable[[Facts, str], Words]
    sections: Callable[[Facts, str], list[Section]]


KINDS = {
    "compiled": _Kind(
        lambda facts: f"{facts['name']} on {facts['target']}", compiled_subtitle, compiled_sections
    ),
    "bench": _Kind(bench_title, bench_subtitle, bench_sections),
    "tune": _Kind(tune_title, tune_subtitle, tune_sections),
    "search": _Kind(search_title, search_subtitle, search_sections),
}


def build_report(subjects: Sequence[Facts]) -> Report:
    """A report of subjects: facts as `compiled_facts`, `bench_facts`, ... give them."""
    facts: dict[str, Any] = {
        "kind": "report",
        "version": __version__,
        "count": len(subjects),
        "subjects": list(subjects),
    }
    titles = [KINDS[subject["kind"]].title(subject) for subject in subjects]
    if len(subjects) == 1:
        kind, at = KINDS[subjects[0]["kind"]], "/subjects/0"
        sections = kind.sections(subjects[0], at)
        return Report(titles[0], kind.subtitle(subjects[0], at), tuple(sections), facts)
    sections = comparison(subjects)
    for index, subject in enumerate(subjects):
        kind, at = KINDS[subject["kind"]], f"/subjects/{index}"
        begin = Paragraph(kind.subtitle(subject, at))
        sections += [Section((titles[index],), (begin,), level=1), *kind.sections(subject, at)]
    head = words("{count} subjects, by tinyengine-tvm {version:text}")
    title = " and ".join(titles) if len(titles) == 2 else f"{titles[0]} and others"
    if subjects[0]["kind"] == "search":
        # What follows is what it found.
        title = titles[0]
    return Report(title, head, tuple(sections), facts)
