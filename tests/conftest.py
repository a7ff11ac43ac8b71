# SPDX-License-Identifier: Apache-2.0
"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[1] / "../shared"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of reference models and outputs that isn't part of the project."""
    if not SHARED.is_dir():
        pytest.skip("the shared reference data is not on this machine")
    return SHARED.resolve()


@pytest.fixture(scope="session")
def shared_models(shared_dir: Path) -> Path:
    """The folder of real int8 models (.tflite)."""
    models = shared_dir / "models"
    if not models.is_dir():
        pytest.skip("the shared models are not on this machine")
    return models
