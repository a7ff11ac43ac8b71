# SPDX-License-Identifier: Apache-2.0
"""Options that several subcommands have."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

OutputOption = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="DIR", help="Folder of the search: new, or one to go on with."
    ),
]
TaskOption = Annotated[
    str | None,
    typer.Option("--task", help="Data set: fashion-mnist, imu, folder, synthetic, ..."),
]
DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="PATH", help="Where the data set lies.")
]
TargetOption = Annotated[
    str | None,
    typer.Option("--target", "-t", help="Core; see tinyengine targets.  [default: cortex-m4]"),
]
SramOption = Annotated[
    str | None, typer.Option("--sram", metavar="BYTES", help="For arena and static data: 32kB.")
]
FlashOption = Annotated[
    str | None, typer.Option("--flash", metavar="BYTES", help="For weights and code: 256kB.")
]
LatencyOption = Annotated[
    str | None,
    typer.Option("--latency", metavar="TIME@CLOCK", help="Per inference: 20ms@80MHz."),
]
SeedOption = Annotated[
    int | None, typer.Option("--seed", min=0, help="Of all random choices.  [default: 0]")
]
SqueezeOption = Annotated[
    bool, typer.Option("--squeeze-excite", help="Blocks have squeeze-and-excite.")
]
FusionOption = Annotated[
    bool,
    typer.Option("--fusion", help="Networks beyond the SRAM may run a few rows at a time; slow."),
]
SupernetOption = Annotated[
    Path | None,
    typer.Option("--supernet", metavar="FILE", help="A trained supernet, instead of step 2."),
]
DeviceOption = Annotated[
    str, typer.Option("--device", help="cpu, cuda, cuda:1, or auto: a GPU where there is one.")
]
ThreadsOption = Annotated[int, typer.Option("--threads", min=1, help="Of torch, on a CPU.")]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=1, help="Processes that score sub-nets.")
]
SchedulerOption = Annotated[
    str | None,
    typer.Option("--scheduler", metavar="ADDRESS", help="Score on this dask scheduler's workers."),
]


class MemoryModel(str, Enum):
    """Whose memory counts."""

    OURS = "tinyengine-tvm"
    TFLM = "tflite-micro"
    TINYENGINE = "tinyengine"


class Method(str, Enum):
    """How the winner is searched."""

    EVOLUTION = "evolution"
    DIRECT = "direct"
    RANDOM = "random"


class Aim(str, Enum):
    """What is sought."""

    ACCURACY = "accuracy"
    MACS = "macs"
    WEIGHTS = "weights"
