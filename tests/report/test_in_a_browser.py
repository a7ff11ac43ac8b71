# SPDX-License-Identifier: Apache-2.0
"""A report in a browser: nothing overflows at any width, and nothing is complained about."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.report import subjects
from tinyengine_tvm.report.page import build_report, to_html
from tinyengine_tvm.report.page.bench import bench_facts
from tinyengine_tvm.report.page.search import search_facts
from tinyengine_tvm.report.page.tuning import tuned_facts

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = (320, 375, 768, 1280)
FRAME = '<iframe width="{width}" height="800" srcdoc="{page}"></iframe>'
MEASURE = """
<pre id="found"></pre>
<script>
onload = () => {
  const found = [...document.querySelectorAll("iframe")].map(frame => {
    const page = frame.contentDocument, root = page.documentElement;
    const texts = [...page.querySelectorAll("svg text")];
    return {
      room: root.clientWidth, taken: root.scrollWidth,
      // Texts that leave their picture by more than a pixel.
      outside: texts.filter(text => {
        const own = text.getBoundingClientRect();
        const picture = text.ownerSVGElement.getBoundingClientRect();
        return own.left < picture.left - 1 || own.right > picture.right + 1;
      }).map(text => text.textContent),
      seen: texts.length,
      drawn: page.querySelector("h1").getBoundingClientRect().height,
    };
  });
  document.getElementById("found").textContent = JSON.stringify(found);
};
</script>
"""


def browser() -> str:
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    pytest.skip("there is no Chromium on this machine")


def test_at_every_width(tmp_path: Path) -> None:
    program = browser()
    page = html.escape(
        to_html(
            build_report(
                [
                    subjects.compiled(),
                    bench_facts(subjects.bench()),
                    tuned_facts(subjects.tune_document()),
                    search_facts(subjects.search_folder(tmp_path / "nas")),
                ]
            )
        )
    )
    frames = "".join(FRAME.format(width=width, page=page) for width in WIDTHS)
    host = tmp_path / "host.html"
    host.write_text(f"<!DOCTYPE html>{frames}{MEASURE}", encoding="utf-8")
    done = subprocess.run(
        [
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            host.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    text = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert text is not None and text[1], done.stderr
    found = json.loads(html.unescape(text[1]))
    assert [frame["room"] for frame in found] == list(WIDTHS)
    for frame in found:
        assert frame["taken"] <= frame["room"]
        assert frame["outside"] == []
        assert frame["seen"] > 50 and frame["drawn"] > 0
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
