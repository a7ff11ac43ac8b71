# SPDX-License-Identifier: Apache-2.0
"""The board that tuning is tested on."""

from __future__ import annotations

import pytest

from tinyengine_tvm.boards import get_board


@pytest.fixture(scope="session")
def board() -> str:
    """An emulated Cortex-M4; skips where its tools are missing."""
    if get_board("mps2-an386").missing():
        pytest.skip(get_board("mps2-an386").describe())
    return "mps2-an386"
