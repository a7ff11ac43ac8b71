# SPDX-License-Identifier: Apache-2.0
"""How long a report takes to open in headless Chromium, and how large it is.

    python -m benchmarks.report_load net.html

Milliseconds from the start of the navigation to the end of the page's load event, as its own clock
has them; three runs, each with a browser of its own.
"""

from __future__ import annotations

import argparse
import html
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
# Chromium dumps the outer page once all of it is loaded, the report in its frame before it.
FRAME = """<iframe width="1200" height="900" srcdoc="{page}"></iframe>
<pre></pre>
<script>
onload = () => {{
  const clock = document.querySelector("iframe").contentWindow.performance.timing;
  const took = clock.loadEventEnd - clock.navigationStart;
  document.querySelector("pre").textContent = "took " + took;
}};
</script>
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("report", type=Path)
    given = parser.parse_args()
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None or not given.report.is_file():
        problem = "there is no Chromium here" if browser is None else f"no file {given.report}"
        print(f"error: {problem}", file=sys.stderr)
        return 2
    text = given.report.read_text(encoding="utf-8")
    print(f"{given.report}: {len(text.encode()):,} bytes\n")
    print("| run | load event, ms |\n|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(FRAME.format(page=html.escape(text)), encoding="utf-8")
        for run in range(3):
            command = [browser, *FLAGS, f"--user-data-dir={folder}/{run}"]
            done = subprocess.run(
                [*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, check=True
            )
            took = re.search(r"took (\d+)", done.stdout)
            if took is None:
                print("error: the page didn't say how long it took", file=sys.stderr)
                return 2
            print(f"| {run + 1} | {took[1]} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
