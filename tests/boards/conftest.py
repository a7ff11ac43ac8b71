# SPDX-License-Identifier: Apache-2.0
"""A small model written by hand, as the compiler would have left it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tinyengine_tvm.boards import BOARDS, Board

MODEL = Path(__file__).parent / "model"
WEIGHTS = np.array([[1, 2, 3, 4, 5, 6], [-1, 1, -1, 1, -1, 1], [127, -128] * 3, [0, 0, 7, 0, 0, 0]])
Make = Callable[..., Path]


@pytest.fixture
def make_model(tmp_path: Path) -> Make:
    """Gives the hand-written model for a target, its metadata changed by `change`."""

    def make(target: str = "cortex-m3", change: Callable[[dict], object] | None = None) -> Path:
        folder = tmp_path / f"hand-{target}"
        shutil.copytree(MODEL, folder, dirs_exist_ok=True)
        facts = json.loads((MODEL / "metadata.json").read_text(encoding="utf-8"))
        facts["target"] = target
        if change is not None:
            change(facts)
        (folder / "metadata.json").write_text(json.dumps(facts), encoding="utf-8")
        return folder

    return make


@pytest.fixture
def samples() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Seven samples of the hand-written model: inputs by C field, and the expected output."""
    random = np.random.default_rng(7)
    codes = random.integers(-128, 128, (7, 2, 3)).astype(np.int8)
    gains = random.normal(size=(7, 4)).astype(np.float32)
    sums = codes.reshape(7, 6).astype(int) @ WEIGHTS.T
    return {"codes": codes, "gains": gains}, (gains * sums.astype(np.float32)).reshape(7, 1, 4)


@pytest.fixture
def ready() -> Callable[[str], Board]:
    """Gives the board of a name; skips the test where its tools are missing."""

    def get(name: str) -> Board:
        board = BOARDS[name]
        if board.missing():
            pytest.skip(board.describe())
        return board

    return get
