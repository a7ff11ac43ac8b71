# SPDX-License-Identifier: Apache-2.0
"""The subcommands: options become the arguments of the steps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from tinyengine_tvm.cli.terminal import JsonOption, console, print_json, table

from ..errors import NasError
from . import options as o
from .shown import candidates, show

if TYPE_CHECKING:
    from ..pipeline import Options, Search


def _search(
    output: Path,
    given: dict[str, Any],
    options: Options,
    threads: int = 1,
    quiet: bool = False,
) -> Search:
    """The search of a folder, with its data set read."""
    try:
        import torch
    except ImportError as error:
        raise NasError(
            f"tinynas needs torch ({error}); install it with: pip install 'tinyengine-tvm[nas]'"
        ) from error
    from ..data import load
    from ..pipeline import Search
    from ..project import Project, Settings

    torch.set_num_threads(threads)
    project = Project.open(output, Settings(**given))
    settings = project.settings
    if settings.task is None:
        from ..data import TASKS

        raise NasError(f"no data set; give --task, one of {', '.join(TASKS)}")
    errors = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
    path = None if settings.data is None else Path(settings.data)
    say = (lambda text: None) if quiet else (lambda text: errors.print(text))
    return Search(project, load(settings.task, path), options, say)


def space(
    output: o.OutputOption,
    task: o.TaskOption = None,
    data: o.DataOption = None,
    target: o.TargetOption = None,
    sram: o.SramOption = None,
    flash: o.FlashOption = None,
    latency: o.LatencyOption = None,
    seed: o.SeedOption = None,
    samples: o.SamplesOption = 300,
    keep: o.KeepOption = 3,
    squeeze_excite: o.SqueezeOption = False,
    supernet: o.SupernetOption = None,
    memory: o.MemoryOption = None,
    fusion: o.FusionOption = False,
    as_json: JsonOption = False,
) -> None:
    """Step 1: choose the widths and resolutions whose networks do most within the budget.

    Nothing is trained: networks are drawn, and the compiler's planner says what fits.
    """
    from ..pipeline import Options
    from ..steps.choose import RESULT, Choose

    options = Options(choose=Choose(samples, keep))
    given = _given(
        task, data, target, sram, flash, latency, seed, supernet, memory, squeeze_excite, fusion
    )
    search = _search(output, given, options, quiet=as_json)
    chosen = search.choose()
    result = search.project.read(RESULT) or {}
    if as_json:
        print_json(result)
        return
    rows = table(">width", ">resolution", ">fit", ">mean MMACs")
    for candidate in result.get("choice", {}).get("candidates", ())[:10]:
        mean = candidate["mean"]
        rows.add_row(
            f"{candidate['width']:g}",
            str(candidate["resolution"]),
            f"{100 * candidate['fitting'] / candidate['draws']:.0f} %",
            "-" if mean is None else f"{mean / 1e6:.2f}",
        )
    console().print(rows)
    console().print(
        f"searched: widths {', '.join(map(str, chosen.widths))}, resolutions "
        f"{', '.join(map(str, chosen.resolutions))}, {chosen.size:.3g} networks"
    )


def train(
    output: o.OutputOption,
    task: o.TaskOption = None,
    data: o.DataOption = None,
    seed: o.SeedOption = None,
    epochs: o.EpochsOption = 20,
    batch: o.BatchOption = 128,
    rate: o.RateOption = 0.1,
    squeeze_excite: o.SqueezeOption = False,
    device: o.DeviceOption = "auto",
    threads: o.ThreadsOption = 1,
) -> None:
    """Step 2: train the supernet, which holds all networks of the space.

    A checkpoint is written after every epoch; the same command goes on from there. Several devices
    work together under torchrun: torchrun --nproc-per-node 2 -m tinynas.cli train ...
    """
    from ..pipeline import Options
    from ..steps.train import RESULT, Train
    from ..training.loop import Recipe

    options = Options(train=Train(Recipe(epochs, batch=batch, rate=rate), device=device))
    given = _given(task, data, seed=seed, squeeze=squeeze_excite)
    search = _search(output, given, options, threads)
    search.train()
    console().print(f"wrote {search.project.path(RESULT)}")


def evolve(
    output: o.OutputOption,
    task: o.TaskOption = None,
    data: o.DataOption = None,
    target: o.TargetOption = None,
    sram: o.SramOption = None,
    flash: o.FlashOption = None,
    latency: o.LatencyOption = None,
    seed: o.SeedOption = None,
    supernet: o.SupernetOption = None,
    memory: o.MemoryOption = None,
    fusion: o.FusionOption = False,
    method: o.MethodOption = o.Method.EVOLUTION,
    aim: o.AimOption = o.Aim.ACCURACY,
    population: o.PopulationOption = 100,
    generations: o.GenerationsOption = 30,
    crossover: o.CrossoverOption = 0.5,
    mutation: o.MutationOption = 0.1,
    measured: o.MeasuredOption = 100,
    rounds: o.RoundsOption = 3,
    validation: o.ValidationOption = 5000,
    front: o.FrontOption = None,
    workers: o.WorkersOption = 1,
    scheduler: o.SchedulerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Step 3: search the winner under the budget, with the supernet's weights."""
    from ..pipeline import Options
    from ..steps.evolve import Evolve

    plan = _plan(method, aim, population, generations, crossover, mutation, measured, rounds)
    options = Options(
        evolve=Evolve(plan, validation, front=front, workers=workers, scheduler=scheduler)
    )
    given = _given(task, data, target, sram, flash, latency, seed, supernet, memory, fusion=fusion)
    search = _search(output, given, options, quiet=as_json)
    result = search.evolve()
    if as_json:
        print_json(result)
        return
    console().print(candidates(result["front"] or result["best"][:8]))


def finish(
    output: o.OutputOption,
    supernet: o.SupernetOption = None,
    epochs: o.TuneOption = 15,
    rate: o.TuneRateOption = 0.05,
    batch: o.BatchOption = 128,
    seeds: o.SeedsOption = 1,
    scratch: o.ScratchOption = False,
    teacher: o.TeacherOption = None,
    teacher_kind: o.TeacherKindOption = o.TeacherKind.RESIDUAL,
    teachers: o.TeachersOption = 1,
    teacher_epochs: o.TeachingOption = 15,
    erase: o.EraseOption = None,
    refit: o.RefitOption = False,
    test_samples: o.TestOption = None,
    name: o.NameOption = "net",
    device: o.DeviceOption = "auto",
    threads: o.ThreadsOption = 1,
    workers: o.WorkersOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Step 4: fine-tune the winner, quantise it, compile it, run the test set on the board."""
    from ..pipeline import Options

    options = Options(
        finish=_finish(
            epochs,
            rate,
            batch,
            scratch,
            teacher,
            _teaching(teacher_kind, teachers, teacher_epochs),
            erase,
            refit,
            test_samples,
        ),
        train=_device(device),
        seeds=seeds,
        workers=workers,
        name=name,
    )
    search = _search(output, _given(supernet=supernet), options, threads, quiet=as_json)
    show(search, search.finish(), as_json)


def search(
    output: o.OutputOption,
    task: o.TaskOption = None,
    data: o.DataOption = None,
    target: o.TargetOption = None,
    sram: o.SramOption = None,
    flash: o.FlashOption = None,
    latency: o.LatencyOption = None,
    seed: o.SeedOption = None,
    supernet: o.SupernetOption = None,
    fusion: o.FusionOption = False,
    squeeze_excite: o.SqueezeOption = False,
    epochs: o.EpochsOption = 20,
    tune_epochs: o.TuneOption = 15,
    teacher: o.TeacherOption = None,
    teacher_kind: o.TeacherKindOption = o.TeacherKind.RESIDUAL,
    teachers: o.TeachersOption = 1,
    teacher_epochs: o.TeachingOption = 15,
    erase: o.EraseOption = None,
    refit: o.RefitOption = False,
    test_samples: o.TestOption = None,
    measured: o.MeasuredOption = 100,
    rounds: o.RoundsOption = 3,
    seeds: o.SeedsOption = 1,
    name: o.NameOption = "net",
    device: o.DeviceOption = "auto",
    threads: o.ThreadsOption = 1,
    workers: o.WorkersOption = 1,
    scheduler: o.SchedulerOption = None,
    as_json: JsonOption = False,
) -> None:
    """All four steps: find, train, compile and measure the best network within the budget.

    A search that is stopped goes on where it was with the same command. More options
    are with the single steps.

    \b
    Examples:
      tinynas search --task fashion-mnist --sram 32kB --flash 256kB -o build/nas
      tinynas search --task imu --sram 8kB --flash 32kB --latency 20ms@80MHz -o build/imu
    """
    from ..pipeline import Options
    from ..steps.evolve import Evolve
    from ..steps.train import Train
    from ..training.loop import Recipe

    options = Options(
        train=Train(Recipe(epochs), device=device),
        evolve=Evolve(
            _plan(measured=measured, rounds=rounds), workers=workers, scheduler=scheduler
        ),
        finish=_finish(
            tune_epochs,
            teacher=teacher,
            teaching=_teaching(teacher_kind, teachers, teacher_epochs),
            erase=erase,
            refit=refit,
            samples=test_samples,
        ),
        seeds=seeds,
        workers=workers,
        name=name,
    )
    given = _given(
        task, data, target, sram, flash, latency, seed, supernet, None, squeeze_excite, fusion
    )
    run = _search(output, given, options, threads, quiet=as_json)
    show(run, run.finish(), as_json)


def _given(
    task: str | None = None,
    data: Path | None = None,
    target: str | None = None,
    sram: str | None = None,
    flash: str | None = None,
    latency: str | None = None,
    seed: int | None = None,
    supernet: Path | None = None,
    memory: o.MemoryModel | None = None,
    squeeze: bool = False,
    fusion: bool = False,
) -> dict[str, Any]:
    """The settings that options give; what wasn't given is None, and stays as the folder has it."""
    return {
        "task": task,
        "data": None if data is None else str(data),
        "target": target,
        "sram": sram,
        "flash": flash,
        "latency": latency,
        "seed": seed,
        "supernet": None if supernet is None else str(supernet),
        "memory": None if memory is None else memory.value,
        "squeeze": squeeze or None,
        "fusion": fusion or None,
    }


def _plan(
    method: o.Method = o.Method.EVOLUTION,
    aim: o.Aim = o.Aim.ACCURACY,
    population: int = 100,
    generations: int = 30,
    crossover: float = 0.5,
    mutation: float = 0.1,
    measured: int = 100,
    rounds: int = 3,
) -> Any:
    from ..evolve.evolution import Options as Evolution
    from ..evolve.search import Plan

    return Plan(
        method.value,
        aim.value,
        measured,
        rounds,
        evolution=Evolution(population, generations, mutation=mutation, crossover=crossover),
    )


def _finish(
    epochs: int,
    rate: float = 0.05,
    batch: int = 128,
    scratch: bool = False,
    teacher: Path | None = None,
    teaching: Any = None,
    erase: float | None = None,
    refit: bool = False,
    samples: int | None = None,
) -> Any:
    from dataclasses import replace

    from ..pipeline import default_finish

    default = default_finish()
    recipe = replace(default.recipe, epochs=epochs, rate=rate, batch=batch)
    return replace(
        default,
        recipe=recipe,
        scratch=scratch,
        teaching=teaching or default.teaching,
        teacher=teacher,
        erase=erase,
        refit=refit,
        samples=samples,
    )


def _teaching(kind: o.TeacherKind, count: int, epochs: int) -> Any:
    from dataclasses import replace

    from ..finish.teacher import teaching

    default = teaching(kind.value)
    return replace(default, count=count, recipe=replace(default.recipe, epochs=epochs))


def _device(device: str) -> Any:
    from dataclasses import replace

    from ..pipeline import default_train

    return replace(default_train(), device=device)
