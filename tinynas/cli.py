# SPDX-License-Identifier: Apache-2.0
"""The command `tinynas`: a search in four steps, and all of them at once."""

from __future__ import annotations

import os

# Read by the OpenMP runtime when torch is loaded: idle threads that spin starve other processes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
console = Console(stderr=True)


@app.command()
def train(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="The search.")],
    task: Annotated[str | None, typer.Option(help="Data set.")] = None,
    data: Annotated[str | None, typer.Option(help="Where it lies.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the training split.")] = 24,
    batch: Annotated[int, typer.Option(help="Samples per step.")] = 128,
    rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 0.1,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    threads: Annotated[int, typer.Option(help="Of torch, per process.")] = 1,
) -> None:
    """Train the supernet."""
    import torch

    from .data import load
    from .project import Project, Settings
    from .steps.train import space_of, train_supernet
    from .supernet import Shrinking
    from .training.loop import Epoch, Recipe

    torch.set_num_threads(threads)
    project = Project.open(output, Settings(task=task, data=data, seed=seed))
    data_set = load(project.settings.task or "", None if data is None else Path(data))

    def say(epoch: Epoch) -> None:
        console.print(
            f"epoch {epoch.number + 1}/{epochs}: loss {epoch.loss:.4f}, {epoch.seconds:.0f} s"
        )

    recipe = Recipe(epochs, batch=batch, rate=rate, seed=project.settings.random)
    path = train_supernet(
        project, data_set, space_of(data_set), recipe, Shrinking(), device=device, on_epoch=say
    )
    console.print(f"wrote {path}")


@app.callback()
def _options() -> None:
    """Find the best network that fits a given microcontroller."""


def main() -> int:
    from tinyengine_tvm.errors import TinyEngineError

    try:
        app()
    except TinyEngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
