# SPDX-License-Identifier: Apache-2.0
"""Step 2: train the supernet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..data import DataSet
from ..errors import NasError
from ..project import Project
from ..space import Space
from ..supernet import Sandwich, Shrinking, SuperNet
from ..training.loading import Augmented
from ..training.loop import Epoch, Recipe, Training, choose_device, ranks, restore, save

CHECKPOINT = "supernet.training.pt"
RESULT = "supernet.pt"
RECORD = "train.json"


@dataclass(frozen=True)
class Train:
    """`device`: cpu, cuda, or auto. `mixed`: bfloat16 where it helps; None for GPUs only."""

    recipe: Recipe
    shrinking: Shrinking = field(default_factory=Shrinking)
    device: str = "auto"
    mixed: bool | None = None


def train_supernet(
    project: Project,
    data: DataSet,
    space: Space,
    options: Train,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Path:
    """Trains the supernet, or what is left of its epochs; gives the file with its weights.

    Raises:
        NasError: a checkpoint of other options, an unusable device, or a loss that diverges.
    """
    result = project.path(RESULT)
    if result.exists():
        return result
    recipe, shrinking, mixed = options.recipe, options.shrinking, options.mixed
    where = choose_device(options.device)
    torch.manual_seed(recipe.seed)
    supernet = SuperNet(space)
    samples = len(data.train)
    step = Sandwich(
        supernet,
        torch.from_numpy(data.train.labels).to(where),
        shrinking,
        recipe.steps(samples),
        recipe.label_smoothing,
        recipe.seed,
        mixed=where.type == "cuda" if mixed is None else mixed,
    )
    training = Training(
        supernet,
        step,
        Augmented(data, where, recipe.seed, ranks()[0]),
        samples,
        recipe,
        device=where,
        checkpoint=project.path(CHECKPOINT),
        facts={"space": space.to_json(), "shrinking": asdict(shrinking), "data": data.name},
        on_epoch=on_epoch,
    )
    history = training.run()
    if training.rank == 0:
        record = {
            "device": str(where),
            "epochs": [asdict(epoch) for epoch in history],
            "recipe": asdict(recipe),
            "shrinking": asdict(shrinking),
        }
        project.write(RECORD, record)
        write_supernet(result, supernet, data.name)
        project.path(CHECKPOINT).unlink(missing_ok=True)
    return result


def write_supernet(path: Path, supernet: SuperNet, data: str) -> None:
    """Writes a supernet in float16, which costs no accuracy that can be measured."""
    weights = {name: value.half().cpu() for name, value in supernet.state_dict().items()}
    save(path, {"space": supernet.space.to_json(), "data": data, "weights": weights})


def load_supernet(path: Path, data: DataSet | None = None) -> SuperNet:
    """The supernet of a file, in float32 on the CPU.

    Raises:
        NasError: the file isn't there, is damaged, or was trained for another kind of data.
    """
    if not path.exists():
        raise NasError(f"'{path}' doesn't exist; train a supernet first (tinynas train)")
    content: dict[str, Any] = restore(path, torch.device("cpu"))
    try:
        supernet = SuperNet(Space.from_json(content["space"]))
        supernet.load_state_dict({k: v.float() for k, v in content["weights"].items()})
    except (KeyError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise NasError(f"'{path}' is no supernet ({reason}); train one (tinynas train)") from None
    space = supernet.space
    if data is not None:
        have = (data.input[0], len(data.classes), data.dimensions)
        if have != (space.channels, space.classes, space.dimensions):
            raise NasError(
                f"the supernet '{path}' is for {space.channels} channels and {space.classes} "
                f"classes, the data set has {have[0]} and {have[1]}; train another"
            )
    return supernet
