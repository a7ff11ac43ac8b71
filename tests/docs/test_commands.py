# SPDX-License-Identifier: Apache-2.0
"""Every command in the documents: run by a test, or at least taken by the command's own parser.

README.md is run by tests/packaging/test_readme.py, the tutorials by test_tutorials.py, the Python
of relax.md, relay.md and own-operators.md by tests beside the code, and test_documents.py runs what
needs no more than a stand-in for the reader's model. The rest names libraries, Zephyr trees, or
takes hours: those commands are parsed, so that none has an option that isn't there.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
import typer

from tests.docs.guide import ROOT, blocks
from tinyengine_tvm.cli.app import app as tinyengine
from tinynas.cli.app import app as tinynas

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
APPS = {"tinyengine": tinyengine, "tinynas": tinynas}


def commands(document: str) -> list[list[str]]:
    """The words of every command of ours in the blocks of a document."""
    found = []
    for block in blocks(document):
        if block.language not in ("", "sh", "bash", "console"):
            continue
        text = block.text.replace("\\\n", " ")
        for line in text.splitlines():
            match = re.search(r"(?:^|&& |; )\s*(tinyengine|tinynas) .*", line)
            if match:
                words = shlex.split(match[0].lstrip("&; "), comments=True)
                found.append(words)
        found += [
            ["python", words[1]]
            for words in re.findall(r"^\s*(python -m ([\w.]+))", text, re.MULTILINE)
        ]
    return found


ALL = [
    pytest.param(words, id=f"{path.relative_to(ROOT)}:{' '.join(words)[:60]}-{index}")
    for path in DOCUMENTS
    for index, words in enumerate(commands(path.read_text()))
]


def parse(words: list[str]) -> None:
    """Takes a command apart as it will be when it's run.

    Raises:
        typer's errors: an option or argument that isn't there, is missing, or has a wrong value.
    """
    group = typer.main.get_command(APPS[words[0]])
    if len(words) == 1 or words[1].startswith("-"):
        group.make_context(words[0], words[1:])
        return
    name, *arguments = words[1:]
    command = group.get_command(typer.Context(group), name)  # type: ignore[attr-defined]
    assert command is not None, f"no command {name}"
    command.make_context(name, arguments)


@pytest.mark.parametrize("words", ALL)
def test_a_command_of_the_documents_is_taken(words: list[str]) -> None:
    if words[0] == "python":
        # A module of the project, which the benchmarks are, too.
        assert importlib.util.find_spec(words[1]) is not None
        return
    parse(words)


def test_a_stale_option_is_seen() -> None:
    (words,) = commands("```\ntinyengine compile a.onnx -o b --no-such-option\n```\n")
    with pytest.raises(Exception, match="no-such-option"):
        parse(words)
    (words,) = commands("```sh\n. env && tinynas train -o a \\\n  --target cortex-m4\n```\n")
    with pytest.raises(Exception, match="--target"):
        parse(words)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text):
        assert (path.parent / link).exists(), link
