# SPDX-License-Identifier: Apache-2.0
"""The training loop: batches, optimiser, schedule, checkpoints; on one device or several.

Everything random follows from the seed and the number of the step, so a run that is killed goes on
as if nothing had happened. Under torchrun each process takes its part of every batch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed, nn

from ..errors import NasError

Forward = Callable[[torch.Tensor, torch.Tensor, int], float]
"""Takes inputs, indices of the samples and the number of the step; adds to the gradients, and gives
the loss."""
Loader = Callable[[torch.Tensor, int, int], torch.Tensor]
"""Gives the inputs, on the device, of the samples with some indices, an epoch and a step."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: SGD with Nesterov momentum, warm-up and cosine decay.

    `rate`: the highest learning rate. `warmup`: the part of all steps until it's reached.
    `clip`: the largest norm of the gradients; 0 for no limit.
    """

    epochs: int
    batch: int = 128
    rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    warmup: float = 0.1
    clip: float = 5.0
    label_smoothing: float = 0.1
    seed: int = 0

    def steps(self, samples: int) -> int:
        """Of all epochs. The samples that fill no batch sit an epoch out."""
        return max(1, samples // self.batch) * self.epochs

    def rate_at(self, progress: float) -> float:
        """The learning rate after `progress` (0..1) of all steps."""
        if progress < self.warmup:
            return self.rate * (0.01 + 0.99 * progress / self.warmup)
        left = (progress - self.warmup) / (1 - self.warmup)
        return self.rate * (0.001 + 0.999 * 0.5 * (1 + float(np.cos(np.pi * left))))


@dataclass
class Epoch:
    """What an epoch gave. `seconds` is wall time of this process."""

    number: int
    loss: float
    rate: float
    seconds: float


def choose_device(name: str) -> torch.device:
    """'auto' takes a GPU where there is one; under torchrun each process its own.

    Raises:
        NasError: a device that torch doesn't have here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise NasError(
            f"torch can't use the device '{name}' ({reason}); try --device cpu"
        ) from None
    return device


def ranks() -> tuple[int, int]:
    """This process' number, and how many there are. Joins the group that torchrun made."""
    if "WORLD_SIZE" not in os.environ:
        return 0, 1
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return distributed.get_rank(), distributed.get_world_size()


def save(path: Path, content: dict[str, Any]) -> None:
    """Writes a checkpoint that is there as a whole or not at all."""
    beside = path.with_name(f"{path.name}.part")
    torch.save(content, beside)
    beside.replace(path)


def restore(path: Path, device: torch.device) -> dict[str, Any]:
    """A checkpoint of `save`.

    Raises:
        NasError: the file is damaged.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise NasError(f"'{path}' is no checkpoint ({reason}); delete it to start anew") from None
    return dict(content)


class Training:
    """Trains `module` on `samples` samples with `forward` as the step.

    Raises:
        NasError: a checkpoint of another recipe lies where this one's would, or the loss is no
            longer a number.
    """

    def __init__(
        self,
        module: nn.Module,
        forward: Forward,
        load: Loader,
        samples: int,
        recipe: Recipe,
        *,
        device: torch.device | None = None,
        checkpoint: Path | None = None,
        facts: dict[str, Any] | None = None,
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> None:
        self.module, self.forward, self.recipe = module, forward, recipe
        self.device = device or torch.device("cpu")
        self.load, self.samples, self.on_epoch = load, samples, on_epoch
        self.checkpoint = checkpoint
        self.facts = {"recipe": asdict(recipe), **(facts or {})}
        self.rank, self.world = ranks()
        self.module.to(self.device)
        self.optimiser = torch.optim.SGD(
            _groups(module, recipe.weight_decay),
            lr=recipe.rate,
            momentum=recipe.momentum,
            nesterov=True,
        )
        self.steps = recipe.steps(samples) // recipe.epochs
        self.history: list[Epoch] = []
        if checkpoint is not None and checkpoint.exists():
            self._resume(checkpoint)

    def _resume(self, checkpoint: Path) -> None:
        content = restore(checkpoint, self.device)
        if content.get("facts") != self.facts:
            raise NasError(
                f"'{checkpoint}' is of another run (its options differ); give them as they were, "
                "or another folder"
            )
        self.module.load_state_dict(content["module"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.history = [Epoch(**epoch) for epoch in content["history"]]

    def _save(self) -> None:
        if self.checkpoint is not None and self.rank == 0:
            save(
                self.checkpoint,
                {
                    "facts": self.facts,
                    "module": self.module.state_dict(),
                    "optimiser": self.optimiser.state_dict(),
                    "history": [asdict(epoch) for epoch in self.history],
                },
            )

    def run(self) -> list[Epoch]:
        """Trains what is left of all epochs; gives all of them."""
        for number in range(len(self.history), self.recipe.epochs):
            started = time.monotonic()
            loss = self._epoch(number)
            seconds = time.monotonic() - started
            done = Epoch(number, loss, self.optimiser.param_groups[0]["lr"], seconds)
            self.history.append(done)
            self._save()
            if self.on_epoch is not None and self.rank == 0:
                self.on_epoch(done)
        return self.history

    def _batches(self, epoch: int) -> Iterator[torch.Tensor]:
        """Indices of this process' part of each batch."""
        order = np.random.default_rng((self.recipe.seed, epoch)).permutation(self.samples)
        part = max(1, self.recipe.batch // self.world)
        for step in range(self.steps):
            first = step * self.recipe.batch + self.rank * part
            yield torch.from_numpy(order[first : first + part]).to(self.device)

    def _epoch(self, number: int) -> float:
        self.module.train()
        total = 0.0
        for index, batch in enumerate(self._batches(number)):
            step = number * self.steps + index
            rate = self.recipe.rate_at(step / (self.steps * self.recipe.epochs))
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            x = self.load(batch, number, step)
            self.optimiser.zero_grad(set_to_none=True)
            loss = self.forward(x, batch, step)
            if not np.isfinite(loss):
                raise NasError(
                    f"the loss is {loss} at step {step}; a --rate below {self.recipe.rate} helps"
                )
            self._share_gradients()
            if self.recipe.clip:
                nn.utils.clip_grad_norm_(self.module.parameters(), self.recipe.clip)
            self.optimiser.step()
            total += loss
        return total / self.steps

    def _share_gradients(self) -> None:
        if self.world == 1:
            return
        gradients = [p.grad for p in self.module.parameters() if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        distributed.all_reduce(flat)
        flat /= self.world
        for gradient, part in zip(
            gradients, flat.split([g.numel() for g in gradients]), strict=True
        ):
            gradient.copy_(part.reshape(gradient.shape))


def _groups(module: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and normalisation, which are vectors, don't."""
    parameters = list(module.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def mixed_seed(*numbers: int) -> int:
    """One 63-bit seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
