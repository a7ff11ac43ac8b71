# SPDX-License-Identifier: Apache-2.0
"""Settings for every test that trains."""

from __future__ import annotations

import importlib

import pytest


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Several workers with several threads each wait for each other: 15 s instead of 0.3 s."""
    try:
        importlib.import_module("torch").set_num_threads(1)
    except ModuleNotFoundError:
        return
