# SPDX-License-Identifier: Apache-2.0
"""Step 4: fine-tune the winner, quantise it, compile it, and measure it on the board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data import DataSet, Split
from ..finish.distil import Distillation, Student
from ..finish.export import export_float, outputs_of, quantise
from ..finish.measure import compile_for, measure
from ..finish.qat import rounding
from ..finish.teacher import Teachers, Teaching
from ..project import Project
from ..space import Architecture, Genome
from ..supernet import SuperNet, recalibrate
from ..supernet.train import resized
from ..training.loading import Augmented, Views, logits_of, preparation
from ..training.loop import Epoch, Recipe, Training, choose_device
from ..training.network import StaticNetwork

CALIBRATION = 1000
"""Samples of the training split that set the ranges of the activations."""
TOLERATED = 0.005
"""The loss of accuracy on validation by quantisation above which the network is trained for it."""


@dataclass(frozen=True)
class Finish:
    """Without epochs in its recipe the network stays as the supernet has it.

    `qat_epochs`: of quantisation-aware training, where it's needed. `scratch`: no weights of the
    supernet, which shows what they're worth. `samples`: the first of the test split that the board
    gets; None for all. `refit`: the validation split, once it has made its choices, is trained on,
    too, and the first seed is the one that counts.

    Teachers are trained alone by `teaching` first. `teacher`: a file for what they say, which
    searches of one data set can share; by default it's in the search's folder. `erase`: the
    probability that a rectangle of an image is overwritten with noise, for teachers and students;
    None for the data set's.
    """

    recipe: Recipe
    distillation: Distillation | None = field(default_factory=Distillation)
    qat_epochs: int = 3
    qat_rate: float = 0.005
    scratch: bool = False
    samples: int | None = None
    teaching: Teaching = field(default_factory=Teaching)
    teacher: Path | None = None
    erase: float | None = None
    refit: bool = False

    def to_json(self) -> dict[str, Any]:
        """All that decides what comes out; where the teacher lies doesn't."""
        facts = asdict(self)
        del facts["teacher"]
        return facts


class Finisher:
    """Finishes networks of one supernet; what teachers say is computed once for all seeds."""

    def __init__(
        self,
        project: Project,
        data: DataSet,
        supernet: SuperNet,
        device: str = "auto",
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.project, self.data, self.supernet = project, data, supernet
        self.say: Callable[[str], None] = say or (lambda _: None)
        self.device = choose_device(device)
        self.labels = torch.from_numpy(data.train.labels).to(self.device)
        self.prepare = preparation(data.offset, data.divisor, self.device)
        random = np.random.default_rng(0)
        self.drawn = np.sort(random.permutation(len(data.train))[:CALIBRATION])
        self._sized: dict[int, DataSet] = {}

    def sized(self, network: StaticNetwork) -> DataSet:
        """The data set in the resolution of a network."""
        resolution = network.architecture.input[2]
        if resolution not in self._sized:
            self._sized[resolution] = self.data.resized(resolution)
        return self._sized[resolution]

    def calibrated(self, network: StaticNetwork) -> StaticNetwork:
        """The network with the statistics of its batch normalisation measured."""
        network.to(self.device)
        inputs = self.sized(network).train.inputs[self.drawn]
        samples = torch.from_numpy(np.ascontiguousarray(inputs)).to(self.device)
        recalibrate(network, [self.prepare(part) for part in samples.split(250)])
        return network

    def start(self, genome: Genome, options: Finish) -> StaticNetwork:
        """The network as the supernet has it, or with weights drawn anew."""
        torch.manual_seed(options.recipe.seed)
        if options.scratch:
            return StaticNetwork(self.supernet.space.architecture(genome)).to(self.device)
        return self.calibrated(self.supernet.extract(genome))

    def teachers(self, options: Finish) -> Teachers:
        return Teachers(
            self._augmented(options),
            options.teaching,
            options.teacher or self.project.path("teacher.pt"),
            self.device,
            lambda: self.calibrated(self.supernet.extract(self.supernet.space.extreme(True))),
            self.say,
            options.refit,
        )

    def views(self, options: Finish) -> Views:
        """What the teachers say something of; no more than there are epochs."""
        distillation = options.distillation or Distillation()
        count = min(distillation.views, options.recipe.epochs or options.qat_epochs)
        return Views(self._augmented(options), self.device, count)

    def _augmented(self, options: Finish) -> DataSet:
        if options.erase is None:
            return self.data
        return replace(self.data, augment=replace(self.data.augment, erase=options.erase))

    def fit(
        self,
        what: str,
        network: StaticNetwork,
        recipe: Recipe,
        options: Finish,
        checkpoint: Path,
    ) -> list[Epoch]:
        """Trains a network in place."""

        def tell(epoch: Epoch) -> None:
            self.say(
                f"{what}, epoch {epoch.number + 1} of {recipe.epochs}: loss {epoch.loss:.4f}, "
                f"{epoch.seconds:.0f} s"
            )

        samples = len(self.data.train)
        distillation = options.distillation
        taught, loader = None, None
        if distillation is not None:
            loader = self.views(options)
            taught = self.teachers(options).said(loader)
        step = Student(
            network,
            self.labels,
            taught,
            recipe.steps(samples) // recipe.epochs,
            distillation or Distillation(),
            recipe.label_smoothing,
        )
        full = loader or Augmented(self._augmented(options), self.device, recipe.seed)
        resolution = network.architecture.input[2]

        def load(indices: torch.Tensor, epoch: int, number: int) -> torch.Tensor:
            x = full(indices, epoch, number)
            return x if x.shape[3] == resolution else resized(x, resolution)

        training = Training(
            network,
            step,
            load,
            samples,
            recipe,
            device=self.device,
            checkpoint=checkpoint,
            facts={
                "architecture": network.architecture.to_json(),
                "distillation": None if distillation is None else asdict(distillation),
                "erase": options.erase,
            },
            on_epoch=tell,
        )
        return training.run()

    def accuracy(self, network: StaticNetwork, split: str) -> float:
        """The part of a split that the network gets right."""
        part = getattr(self.sized(network), split)
        logits = logits_of(network, part.inputs, self.prepare, self.device)
        return float(np.mean(logits.argmax(1) == part.labels))

    def quantised(self, network: StaticNetwork, folder: Path, name: str) -> tuple[Path, float]:
        """The int8 model, and its accuracy on the validation split."""
        shape = network.architecture.input
        source = export_float(network, shape, folder / "float.onnx")
        network.to(self.device)
        data = self.sized(network)
        calibration = data.as_input(data.train.inputs[self.drawn])
        path = quantise(source, calibration, folder / f"{name}.onnx", name)
        validation = data.validation
        logits = outputs_of(path, data.as_input(validation.inputs))
        return path, float(np.mean(logits.argmax(1) == validation.labels))

    def finish(
        self,
        architecture: Architecture,
        network: StaticNetwork,
        options: Finish,
        folder: Path,
        name: str,
    ) -> dict[str, Any]:
        """Fine-tunes, quantises and measures one network; the facts for the report, as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        history: list[Epoch] = []
        seed = f"seed {options.recipe.seed}"
        if options.recipe.epochs:
            torch.manual_seed(options.recipe.seed)
            history = self.fit(seed, network, options.recipe, options, folder / "training.pt")
        exact = {split: self.accuracy(network, split) for split in ("validation", "test")}
        path, rounded = self.quantised(network, folder, name)
        aware = False
        if exact["validation"] - rounded > TOLERATED and options.qat_epochs:
            recipe = Recipe(
                options.qat_epochs,
                batch=options.recipe.batch,
                rate=options.qat_rate,
                seed=options.recipe.seed,
            )
            with rounding(network):
                self.fit(f"{seed} with int8", network, recipe, options, folder / "qat.pt")
            path, rounded = self.quantised(network, folder, name)
            aware = True
        data = self.sized(network)
        test = Split(data.test.inputs[: options.samples], data.test.labels[: options.samples])
        inputs = data.as_input(test.inputs)
        reference = outputs_of(path, inputs)
        settings = self.project.settings
        artifact = compile_for(path, settings.core, settings.budget)
        measured = measure(
            artifact,
            inputs,
            test.labels,
            reference,
            settings.core,
            settings.budget,
            keep=folder / "compiled",
        )
        return {
            "seed": options.recipe.seed,
            "model": path.name,
            "architecture": architecture.to_json(),
            "macs": architecture.macs,
            "validation": {"float": exact["validation"], "int8": rounded},
            "test": {
                "float": exact["test"],
                "int8": float(np.mean(reference.argmax(1) == test.labels)),
                "device": measured.accuracy,
            },
            "quantisation_aware": aware,
            "device": measured.to_json(),
            "epochs": [asdict(epoch) for epoch in history],
            "options": options.to_json(),
        }
