# SPDX-License-Identifier: Apache-2.0
"""A whole search on a small set: it fits, resumes wherever it was killed, and refuses mistakes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tinynas  # noqa: E402
from tests.tinynas.spaces import PLAIN  # noqa: E402
from tinyengine_tvm.boards import get_board  # noqa: E402
from tinynas import Budget, NasError  # noqa: E402
from tinynas.data import DataSet, Split, load  # noqa: E402
from tinynas.evolve.evolution import Options as Evolution  # noqa: E402
from tinynas.evolve.search import Plan  # noqa: E402
from tinynas.finish.teacher import Teaching  # noqa: E402
from tinynas.pipeline import Options, Search  # noqa: E402
from tinynas.project import Project, Settings  # noqa: E402
from tinynas.space import Genome  # noqa: E402
from tinynas.steps import seeds  # noqa: E402
from tinynas.steps.choose import Choose  # noqa: E402
from tinynas.steps.evolve import Evolve  # noqa: E402
from tinynas.steps.finish import Finish  # noqa: E402
from tinynas.steps.seeds import Job  # noqa: E402
from tinynas.steps.train import Train  # noqa: E402
from tinynas.training.loop import Recipe  # noqa: E402

BUDGET = Budget(sram=3000, flash=14_000)
OPTIONS = Options(
    choose=Choose(samples=10, keep=1),
    train=Train(Recipe(3, batch=32, rate=0.1), device="cpu"),
    evolve=Evolve(
        Plan(measured=4, rounds=1, top=2, evolution=Evolution(population=6, generations=2)),
        samples=40,
        calibration=60,
    ),
    finish=Finish(
        Recipe(2, batch=32, rate=0.05), teaching=Teaching(Recipe(2, batch=32, rate=0.05))
    ),
    seeds=2,
    space=PLAIN,
)


def small() -> DataSet:
    return load("synthetic", samples=300)


class Killed(Exception):
    pass


def timeless(value: Any) -> Any:
    """JSON without what differs from run to run."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k != "seconds"}
    return [timeless(v) for v in value] if isinstance(value, (list, tuple)) else value


def searched(folder: Path, say: Any = None, options: Options = OPTIONS) -> dict[str, Any]:
    return tinynas.search(small(), "cortex-m4", BUDGET, folder, options, say=say)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    if get_board("mps2-an386").missing():
        pytest.skip("the board's tools are missing")
    folder = tmp_path_factory.mktemp("search") / "whole"
    return folder, searched(folder)


def copy_unfinished(folder: Path, to: Path) -> None:
    """A search that has its winner, and no more."""
    for name in ("settings.json", "space.json", "supernet.pt", "evolve.json", "scores.json"):
        shutil.copy(folder / name, to / name)


def killed_while_training(job: Job, number: int, say: Any) -> None:
    os._exit(9)


def test_what_is_found_fits_and_works(whole: tuple[Path, dict[str, Any]]) -> None:
    folder, found = whole
    assert len(found["runs"]) == 2
    for run in found["runs"]:
        device = run["device"]
        assert device["sram"] <= BUDGET.sram
        assert device["flash"] <= BUDGET.flash
        assert device["missing"] == ()
        assert device["samples"] == len(small().test)
        # The board computes what onnxruntime does, so accuracies are the same.
        assert device["agreement"] >= 0.98
        assert abs(run["test"]["device"] - run["test"]["int8"]) <= 0.02
        assert run["test"]["float"] > 0.5
    assert (folder / found["model"]).is_file()
    best = max(found["runs"], key=lambda run: run["validation"]["int8"])
    assert found["runs"][found["chosen"]] == best
    record = json.loads((folder / "evolve.json").read_text())
    assert record["winner"]["genome"] == json.loads(json.dumps(found["genome"]))


def test_the_report_tells_what_was_found(whole: tuple[Path, dict[str, Any]]) -> None:
    folder, found = whole
    text = (folder / "report.md").read_text()
    run = found["runs"][found["chosen"]]
    for figure in ("sram", "flash", "instructions", "macs"):
        assert f"{run['device'][figure]:,}" in text
    assert f"{100 * run['test']['device']:.2f} %" in text
    assert "3,000" in text and "14,000" in text
    page = json.loads((folder / "report.json").read_text())
    assert [subject["kind"] for subject in page["subjects"]] == ["search", "compiled"]
    assert page["subjects"][0]["device"]["sram"] == run["device"]["sram"]
    assert page["subjects"][1]["profile"]["instructions"] == run["device"]["instructions"]
    assert f"{run['device']['instructions']:,}" in (folder / "report.html").read_text()
    picture = ElementTree.parse(folder / "architecture.svg").getroot()
    drawn = " ".join(picture.itertext())
    for block in run["architecture"]["blocks"]:
        assert str(block["width"]) in drawn
    assert f"{PLAIN.architecture(Genome.from_json(found['genome'])).weights:,}" in drawn


def test_the_test_split_has_no_say(tmp_path: Path, whole: tuple[Path, dict[str, Any]]) -> None:
    data = small()
    wrong = replace(data, test=Split(data.test.inputs, (data.test.labels + 1) % 4))
    found = tinynas.search(wrong, "cortex-m4", BUDGET, tmp_path / "other", OPTIONS)
    assert found["genome"] == whole[1]["genome"]
    assert found["chosen"] == whole[1]["chosen"]
    assert found["mean"] < whole[1]["mean"]


@pytest.mark.parametrize("message", ["supernet, epoch 2", "drawn at random", "round 1", "seed 1"])
def test_a_killed_search_goes_on(
    message: str, tmp_path: Path, whole: tuple[Path, dict[str, Any]]
) -> None:
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if message in text:
            raise Killed

    with pytest.raises(Killed):
        searched(tmp_path / "killed", say)
    again: list[str] = []
    found = searched(tmp_path / "killed", again.append)
    assert timeless(found) == timeless(whole[1])
    # Nothing is trained twice.
    assert not set(said[:-1]) & {t for t in again if "epoch" in t}


def test_a_finish_with_other_options_isnt_taken_for_this_one(
    whole: tuple[Path, dict[str, Any]],
) -> None:
    folder, _ = whole
    recipe = replace(OPTIONS.finish.recipe, epochs=3)
    longer = replace(OPTIONS, finish=replace(OPTIONS.finish, recipe=recipe))
    before = (folder / "finish.json").read_bytes()
    with pytest.raises(NasError, match=r"seed0/result\.json' was finished with other options"):
        searched(folder, options=longer)
    assert (folder / "finish.json").read_bytes() == before


def test_refit_trains_on_the_validation_split_too(
    whole: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, before = whole
    copy_unfinished(folder, tmp_path)
    options = replace(OPTIONS, finish=replace(OPTIONS.finish, refit=True))
    found = searched(tmp_path, options=options)
    data = small()
    taught = torch.load(tmp_path / "teacher.pt", weights_only=True)
    assert taught["logits"].shape[1] == len(data.train) + len(data.validation)
    # Of seeds that have seen the validation split, none may be preferred for it.
    assert found["chosen"] == 0 and found["model"].startswith("finish/seed0/")
    assert found["genome"] == before["genome"]
    assert "validation split was trained on" in (tmp_path / "report.md").read_text()


def test_a_residual_teacher_is_trained() -> None:
    with pytest.raises(NasError, match="--teacher-epochs 1 or more, or --teacher-kind largest"):
        Teaching(Recipe(0))
    Teaching(Recipe(0), kind="largest")  # Says what it has learnt as a part of the supernet.


def test_seeds_side_by_side_are_the_same_seeds(
    whole: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, alone = whole
    copy_unfinished(folder, tmp_path)
    said: list[str] = []
    together = searched(tmp_path, said.append, replace(OPTIONS, workers=2))
    assert timeless(json.loads(json.dumps(together))) == timeless(json.loads(json.dumps(alone)))
    model = together["model"]
    assert (tmp_path / model).read_bytes() == (folder / model).read_bytes()
    # Their processes are heard in this one.
    assert {text.partition(",")[0] for text in said} >= {"teacher 0", "seed 0", "seed 1"}


def test_a_killed_process_ends_in_one_line(
    whole: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_unfinished(whole[0], tmp_path)
    monkeypatch.setattr(seeds, "_teach", killed_while_training)
    with pytest.raises(NasError, match=r"killed while it trained.*--workers 1") as caught:
        searched(tmp_path, options=replace(OPTIONS, workers=2))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "finish.json").exists()


def test_a_finished_search_does_nothing(whole: tuple[Path, dict[str, Any]]) -> None:
    said: list[str] = []
    assert timeless(searched(whole[0], said.append)) == timeless(whole[1])
    assert said == []


def test_a_budget_that_nothing_fits_names_one_that_something_does(tmp_path: Path) -> None:
    def step(sram: str, flash: str) -> None:
        settings = Settings(sram=sram, flash=flash)
        Search(Project.open(tmp_path / "search", settings), small(), OPTIONS).choose()

    with pytest.raises(NasError, match="nearest feasible budget") as caught:
        step("900", "6000")
    sram, flash = re.findall(r"--sram (\d+) --flash (\d+)", str(caught.value))[0]
    assert "\n" not in str(caught.value)
    # In the same folder, where nothing has been done.
    step(sram, flash)


def test_other_settings_need_another_folder(whole: tuple[Path, dict[str, Any]]) -> None:
    with pytest.raises(NasError, match=r"begun with sram 3000, not 5000.*new folder"):
        tinynas.search(small(), "cortex-m4", replace(BUDGET, sram=5000), whole[0], OPTIONS)


def test_data_that_is_wrong_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    data = small()
    labels = np.where(data.train.labels == 2, 1, data.train.labels)
    missing = replace(data, train=Split(data.train.inputs, labels))
    with pytest.raises(NasError, match=data.classes[2]):
        tinynas.search(missing, "cortex-m4", BUDGET, tmp_path / "new", OPTIONS)
    assert not (tmp_path / "new" / "supernet.training.pt").exists()


def test_a_supernet_of_other_data_is_refused(
    whole: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    settings = Settings(supernet=str(whole[0] / "supernet.pt"))
    colour = load("synthetic-rgb", samples=120)
    with pytest.raises(NasError, match="is for 1 channels and 4 classes"):
        Search(Project.open(tmp_path / "x", settings), colour, OPTIONS).choose()


def tinynas_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tinynas.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )


def test_the_command(tmp_path: Path) -> None:
    folder = str(tmp_path / "search")
    begun = tinynas_command(
        *f"space --task synthetic --sram 6kB --flash 64kB --samples 5 --json -o {folder}".split()
    )
    assert begun.returncode == 0, begun.stderr
    assert json.loads(begun.stdout)["choice"]["budget"]["sram"] == 6000
    other = tinynas_command("space", "--sram", "7kB", "-o", folder)
    assert (other.returncode, other.stdout) == (2, "")
    assert other.stderr.startswith("error: ") and other.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("space -o {}", "give --task, one of fashion-mnist"),
        ("space --task nonsense -o {}", "no task 'nonsense'"),
        ("space --task synthetic --sram lots -o {}", "'lots' is no size"),
        ("space --task synthetic --latency 20 -o {}", "20ms@80MHz"),
        ("evolve --task synthetic --supernet none.pt -o {}", "'none.pt' doesn't exist"),
        ("train --task synthetic --device nonsense -o {}", "try --device cpu"),
    ],
)
def test_mistakes_are_one_line(arguments: str, expected: str, tmp_path: Path) -> None:
    run = tinynas_command(*arguments.format(tmp_path / "new").split())
    assert run.returncode == 2
    assert expected in run.stderr
    assert run.stderr.count("\n") == 1
