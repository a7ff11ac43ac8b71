# SPDX-License-Identifier: Apache-2.0
"""A short search: the network for a small budget, taken from a supernet that is trained already.

    python examples/fashion_mnist/search.py

Nothing is trained, so the network is as good as the supernet has it; `tinynas search` would go on
and fine-tune it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

import tinyengine_tvm

HERE = Path(__file__).resolve().parent
SUPERNET = HERE.parent / "models" / "fashion_mnist_supernet.pt"
TARGET, SRAM, FLASH = "cortex-m4", 16_000, 96_000
TEST_IMAGES = 1000


def search(folder: Path, say: Any = None) -> dict[str, Any]:
    """Searches, compiles and measures; what `tinynas.search` gives.

    Raises:
        TinyEngineError: torch, the data set or the board's tools are missing.
    """
    try:
        import torch
    except ImportError as error:
        raise tinyengine_tvm.TinyEngineError(
            f"the search needs torch ({error}): pip install 'tinyengine-tvm[nas]'"
        ) from error
    import tinynas
    from tinynas.evolve.search import Plan
    from tinynas.pipeline import Options
    from tinynas.steps.evolve import Evolve
    from tinynas.steps.finish import Finish
    from tinynas.training.loop import Recipe

    torch.set_num_threads(1)
    options = Options(
        evolve=Evolve(Plan(measured=16, rounds=1, top=8), samples=1000, calibration=500, workers=2),
        finish=Finish(Recipe(epochs=0), qat_epochs=0, samples=TEST_IMAGES),
        name="fashion_searched",
    )
    data = tinynas.data.load("fashion-mnist")
    budget = tinynas.Budget(SRAM, FLASH)
    return tinynas.search(data, TARGET, budget, folder, options, supernet=SUPERNET, say=say)


def table(found: dict[str, Any], seconds: float) -> Table:
    """The figures for a reader."""
    run = found["runs"][0]
    device = run["device"]
    shown = Table(
        title=f"A network for {SRAM:,} bytes of SRAM and {FLASH:,} of flash",
        show_header=False,
        box=box.SIMPLE,
    )
    shown.add_column(style="bold")
    shown.add_column(justify="right")
    shown.add_column()
    shown.add_row(
        "accuracy on the device",
        f"{100 * device['accuracy']:.1f} %",
        f"{device['samples']:,} test images, not fine-tuned",
    )
    shown.add_row("SRAM", f"{device['sram']:,} bytes", f"{device['board']}")
    shown.add_row(
        "flash",
        f"{device['flash']:,} bytes",
        f"weights {device['weights']:,}, code {device['code']:,}",
    )
    shown.add_row(
        "instructions/inference", f"{device['instructions']:,}", f"{device['macs']:,} MACs"
    )
    shown.add_row("searched in", f"{seconds:.0f} s")
    return shown


def main() -> int:
    started = time.monotonic()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="tinynas-") as folder,
            Console(stderr=True).status("searching") as status,
        ):
            found = search(Path(folder) / "search", status.update)
    except tinyengine_tvm.TinyEngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    Console().print(table(found, time.monotonic() - started))
    return 0


if __name__ == "__main__":
    sys.exit(main())
