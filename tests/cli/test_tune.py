# SPDX-License-Identifier: Apache-2.0
"""`tinyengine tune`, and `tinyengine compile --records`: what they refuse."""

from __future__ import annotations

import pytest

from tests.networks import small_network
from tests.tflite_models import write_tflite


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


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nowhere", "http://x"])
def test_schedulers_that_do_not_answer(refused, tmp_path, monkeypatch, address):
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    monkeypatch.setattr("tinyengine_tvm.tune.scheduler.CONNECT_SECONDS", 1)
    real = tmp_path / "real.tflite"
    real.write_bytes(write_tflite(small_network()))
    message = refused("tune", real, "--board", "mps2-an386", "--scheduler", address)
    assert message.startswith(f"no dask scheduler answers at '{address}'; start one")
