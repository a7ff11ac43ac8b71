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
    int, typer.Option("--workers", min=1, help="Processes that share the work.")
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


class TeacherKind(str, Enum):
    """Who teaches the winner."""

    RESIDUAL = "residual"
    LARGEST = "largest"


# Of single steps.
SamplesOption = Annotated[
    int, typer.Option("--samples", min=1, help="Networks judged per width and resolution.")
]
KeepOption = Annotated[
    int, typer.Option("--keep", min=1, help="Widths and resolutions that are searched.")
]
EpochsOption = Annotated[
    int, typer.Option("--epochs", min=1, help="Passes over the training split, of the supernet.")
]
BatchOption = Annotated[int, typer.Option("--batch", min=2, help="Samples per step.")]
RateOption = Annotated[float, typer.Option("--rate", help="The highest learning rate.")]
MethodOption = Annotated[
    Method, typer.Option("--method", help="Evolution on a predictor, on measurements, or random.")
]
AimOption = Annotated[Aim, typer.Option("--aim", help="What is sought.")]
PopulationOption = Annotated[int, typer.Option("--population", min=4, help="Of the evolution.")]
GenerationsOption = Annotated[int, typer.Option("--generations", min=1, help="Of the evolution.")]
CrossoverOption = Annotated[
    float, typer.Option("--crossover", min=0, max=1, help="Part of children with two parents.")
]
MutationOption = Annotated[
    float, typer.Option("--mutation", min=0, max=1, help="Probability of each choice to change.")
]
MeasuredOption = Annotated[
    int, typer.Option("--measured", min=2, help="Random networks that teach the predictor first.")
]
RoundsOption = Annotated[int, typer.Option("--rounds", min=0, help="Of evolving and measuring.")]
ValidationOption = Annotated[
    int, typer.Option("--validation", min=1, help="Samples that score a network, at most.")
]
FrontOption = Annotated[
    str | None,
    typer.Option("--front", help="All trade-offs of accuracy and: cycles, sram, flash or macs."),
]
TuneOption = Annotated[
    int, typer.Option("--tune-epochs", min=0, help="Of fine-tuning the winner; 0 for none.")
]
TuneRateOption = Annotated[float, typer.Option("--tune-rate", help="Its highest learning rate.")]
SeedsOption = Annotated[
    int, typer.Option("--seeds", min=1, help="How often the winner is finished.")
]
ScratchOption = Annotated[
    bool, typer.Option("--scratch", help="Train the winner without the supernet's weights.")
]
TeacherOption = Annotated[
    Path | None,
    typer.Option("--teacher", metavar="FILE", help="What the teacher says: read, or written."),
]
TeachingOption = Annotated[
    int, typer.Option("--teacher-epochs", min=0, help="Of training each teacher.")
]
TeachersOption = Annotated[
    int, typer.Option("--teachers", min=1, help="How many teach together, as an ensemble.")
]
TeacherKindOption = Annotated[
    TeacherKind,
    typer.Option("--teacher-kind", help="A residual network, or the supernet's largest."),
]
EraseOption = Annotated[
    float | None,
    typer.Option("--erase", min=0, max=1, help="Part of the images that a rectangle of is noise."),
]
RefitOption = Annotated[
    bool,
    typer.Option("--refit", help="Fine-tune with the validation split too; the first seed counts."),
]
TestOption = Annotated[
    int | None,
    typer.Option("--test-samples", min=1, help="First test samples for the board.  [default: all]"),
]
NameOption = Annotated[str, typer.Option("--name", help="Of the model: a C identifier.")]
MemoryOption = Annotated[
    MemoryModel | None, typer.Option("--memory", help="Whose memory decides what fits.")
]
