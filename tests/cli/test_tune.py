# SPDX-License-Identifier: Apache-2.0
"""`tinyengine tune`, and `tinyengine compile --records`: what they refuse."""

from __future__ import annotations

import pytest


@pytest.fixture
def model(tmp_path):
    file = tmp_path / "model.tflite"
    file.write_bytes(b"no model")
    return file


def test_boards_that_cannot_count_or_do_not_exist(refused, model):
    assert "choose one of" in refused("tune", model, "--board", "mps2-an999")
    assert "doesn't exist" in refused("tune", "missing.tflite", "--board", "mps2-an386")


def test_unknown_rewrites(refused, model):
    message = refused("tune", model, "--board", "mps2-an386", "--no-rewrite", "magic")
    assert message.startswith("unknown rewrite 'magic'; there are: ")


@pytest.mark.parametrize("option", ["--trials=0", "--minutes=-1", "--proposer=luck", "--workers=0"])
def test_options_out_of_range(refused, model, option):
    assert "tinyengine tune --help" in refused("tune", model, "--board", "mps2-an386", option)
