# SPDX-License-Identifier: Apache-2.0
"""A report of a compiled network, a tuning, a comparison or a search: HTML, Markdown and JSON.

Facts, one JSON document, come first; sections show parts of them, and each number that they show is
a reference into that document. So the three forms can't say different things.
"""

from .build import build_report
from .compiled import compiled_facts
from .content import Report
from .render import FORMATS, require_report, to_html, to_json, to_markdown, write_report
from .sources import PROFILE, folder_facts, subjects_of

__all__ = [
    "FORMATS",
    "PROFILE",
    "Report",
    "build_report",
    "compiled_facts",
    "folder_facts",
    "require_report",
    "subjects_of",
    "to_html",
    "to_json",
    "to_markdown",
    "write_report",
]
