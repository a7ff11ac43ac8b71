# SPDX-License-Identifier: Apache-2.0
"""A folder that holds one search: its settings, and what each step gave."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from .budget import Budget
from .errors import NasError

SETTINGS = "settings.json"


@dataclass(frozen=True)
class Settings:
    """What all steps of a search share. Texts are kept as the user wrote them.

    `supernet`: a file with a trained one, instead of step 2. `memory`: whose memory counts when
    networks are judged, one of hardware.MODELS. `squeeze`: blocks have squeeze-and-excite.
    `fusion`: networks beyond the SRAM may be computed a few rows at a time.
    """

    task: str | None = None
    data: str | None = None
    target: str | None = None
    sram: str | None = None
    flash: str | None = None
    latency: str | None = None
    seed: int | None = None
    supernet: str | None = None
    memory: str | None = None
    squeeze: bool | None = None
    fusion: bool | None = None

    @property
    def budget(self) -> Budget:
        return Budget.parse(self.sram, self.flash, self.latency)

    @property
    def core(self) -> str:
        return self.target or "cortex-m4"

    @property
    def random(self) -> int:
        return self.seed or 0


class Project:
    """The folder. Steps find what earlier ones left there, and go on where they were stopped."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.settings = folder, settings

    @classmethod
    def open(cls, folder: Path, given: Settings) -> Project:
        """Begins a search, or goes on with one.

        Raises:
            NasError: the folder holds something else, or a search with other settings that has got
                further than these.
        """
        path = folder / SETTINGS
        known, begun = Settings(), False
        if path.exists():
            known = Settings(**_read(path))
            # A budget that nothing fits leaves the settings alone, and the next try mends them.
            begun = any(entry.name != SETTINGS for entry in folder.iterdir())
        elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise NasError(f"'{folder}' exists and is no search; give a new folder")
        settings = known
        for field in fields(Settings):
            old, new = getattr(known, field.name), getattr(given, field.name)
            if new is None:
                continue
            if begun and old is not None and old != new:
                raise NasError(
                    f"'{folder}' was begun with {field.name} {old}, not {new}; "
                    "leave the option out, or give a new folder"
                )
            settings = replace(settings, **{field.name: new})
        _ = settings.budget  # raises what is wrong with it before anything is written
        project = cls(folder, settings)
        if settings != known or not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            project.write(SETTINGS, {k: v for k, v in asdict(settings).items() if v is not None})
        return project

    def path(self, name: str) -> Path:
        return self.folder / name

    def read(self, name: str) -> dict[str, Any] | None:
        """What a step wrote, or None where it hasn't.

        Raises:
            NasError: the file is damaged.
        """
        path = self.path(name)
        return _read(path) if path.exists() else None

    def write(self, name: str, content: dict[str, Any]) -> Path:
        """Writes JSON that is there as a whole or not at all."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.part")
        beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        beside.replace(path)
        return path


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise NasError(f"'{path}' is damaged ({error}); delete it to do its step again") from None
