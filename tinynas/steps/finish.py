# SPDX-License-Identifier: Apache-2.0
"""Step 4: fine-tune the winner, quantise it, compile it, and measure it on the board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data import DataSet
from ..finish.distil import Distillation, Student
from ..finish.export import export_float, outputs_of, quantise
from ..finish.measure import compile_for, measure
from ..finish.qat import rounding
from ..project import Project
from ..space import Architecture, Genome
from ..supernet import SuperNet, recalibrate
from ..supernet.train import resized
from ..training.loading import Augmented, Views, logits_of, preparation
from ..training.loop import Epoch, Recipe, Training, choose_device, restore, save
from ..training.network import StaticNetwork

CALIBRATION = 1000
"""Samples of the training split that set the ranges of the activations."""
TOLERATED = 0.005
"""The loss of accuracy on validation by quantisation above which the network is trained for it."""


@dataclass(frozen=True)
class Finish:
    """Without epochs in its recipe the network stays as the supernet has it.

    `qat_epochs`: of quantisation-aware training, where it's needed. `scratch`: no weights of the
    supernet, which shows what they're worth. `teacher`: a file for what the teacher says, so that
    searches of one supernet can share it; by default in the search's folder.
    """

    recipe: Recipe
    distillation: Distillation | None = field(default_factory=Distillation)
    qat_epochs: int = 3
    qat_rate: float = 0.005
    scratch: bool = False
    teacher: Path | None = None


class Finisher:
    """Finishes networks of one supernet; what the teacher says is computed once for all seeds."""

    def __init__(
        self, project: Project, data: DataSet, supernet: SuperNet, device: str = "auto"
    ) -> None:
        self.project, self.data, self.supernet = project, data, supernet
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

    def taught(self, views: Views, count: int, path: Path) -> torch.Tensor:
        """float16 [views, samples, classes]: the largest network's logits, kept in a file."""
        if path.exists():
            content = restore(path, self.device)
            if content["views"] == count and content["data"] == self.data.name:
                return content["logits"]
        teacher = self.calibrated(self.supernet.extract(self.supernet.space.extreme(True)))
        logits = views.logits(teacher)
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, {"views": count, "data": self.data.name, "logits": logits})
        return logits

    def train(
        self,
        network: StaticNetwork,
        options: Finish,
        folder: Path,
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> tuple[StaticNetwork, list[Epoch]]:
        """Fine-tunes a network in place, with a checkpoint in `folder`."""
        return self._fit(network, options.recipe, options, folder / "tuning.pt", on_epoch)

    def _fit(
        self,
        network: StaticNetwork,
        recipe: Recipe,
        options: Finish,
        checkpoint: Path,
        on_epoch: Callable[[Epoch], None] | None,
    ) -> tuple[StaticNetwork, list[Epoch]]:
        samples, distillation = len(self.data.train), options.distillation
        taught, loader = None, None
        if distillation is not None:
            views = Views(self.data, self.device, distillation.views)
            file = options.teacher or self.project.path("teacher.pt")
            taught, loader = self.taught(views, distillation.views, file), views
        step = Student(
            network,
            self.labels,
            taught,
            recipe.steps(samples) // recipe.epochs,
            distillation or Distillation(),
            recipe.label_smoothing,
        )
        full = loader or Augmented(self.data, self.device, recipe.seed)
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
            },
            on_epoch=on_epoch,
        )
        return network, training.run()

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
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> dict[str, Any]:
        """Fine-tunes, quantises and measures one network; the facts for the report, as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        history: list[Epoch] = []
        if options.recipe.epochs:
            torch.manual_seed(options.recipe.seed)
            network, history = self.train(network, options, folder, on_epoch)
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
                self._fit(network, recipe, options, folder / "qat.pt", on_epoch)
            path, rounded = self.quantised(network, folder, name)
            aware = True
        data = self.sized(network)
        test = data.test
        inputs = data.as_input(test.inputs)
        reference = outputs_of(path, inputs)
        settings = self.project.settings
        artifact = compile_for(path, settings.core, settings.budget)
        measured = measure(artifact, inputs, test.labels, reference, settings.core, settings.budget)
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
            "recipe": asdict(options.recipe),
            "distillation": None if options.distillation is None else asdict(options.distillation),
        }
