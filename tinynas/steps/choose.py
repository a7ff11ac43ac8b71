# SPDX-License-Identifier: Apache-2.0
"""Step 1: which widths and resolutions are searched."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..data import DataSet
from ..errors import NasError
from ..hardware import Hardware
from ..project import Project
from ..space import Space, choose_space, default_space

RESULT = "space.json"


@dataclass(frozen=True)
class Choose:
    """`samples` networks of each width and resolution are judged; the `keep` best pairs stay."""

    samples: int = 300
    keep: int = 3


def space_of(data: DataSet, squeeze: bool = False) -> Space:
    """The default space of a data set."""
    channels, _, size = data.input
    return default_space(channels, size, len(data.classes), data.dimensions, squeeze)


def choose(
    project: Project, space: Space, hardware: Hardware, options: Choose
) -> tuple[Space, dict[str, Any]]:
    """The part of a space that suits the budget, and the facts, which are written.

    Without limits on memory it's the whole space.

    Raises:
        NasError: nothing fits; names the nearest feasible budget.
    """
    known = project.read(RESULT)
    if known is not None:
        if Space.from_json(known["space"]) != space:
            raise NasError(
                f"'{project.folder}' was begun with another space; "
                "give the same options, or a new folder"
            )
        return Space.from_json(known["chosen"]), known
    budget = project.settings.budget
    result: dict[str, Any] = {"space": space.to_json(), "options": asdict(options)}
    if budget.unlimited:
        chosen = space
    else:
        choice = choose_space(
            space, hardware.costs_of, budget, options.samples, project.settings.random
        )
        kept = [c for c in choice.candidates if c.fitting][: options.keep]
        chosen = space.restricted(
            tuple(sorted({c.width for c in kept})), tuple(sorted({c.resolution for c in kept}))
        )
        result["choice"] = choice.to_json()
    result["chosen"] = chosen.to_json()
    project.write(RESULT, result)
    return chosen, result
