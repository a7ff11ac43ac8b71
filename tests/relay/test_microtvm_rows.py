# SPDX-License-Identifier: Apache-2.0
"""The program behind microTVM's rows of `tinyengine bench`."""

from __future__ import annotations

import json

import numpy as np

from benchmarks.microtvm_rows import main
from tests.networks import small_network
from tests.tflite_models import write_tflite
from tinyengine_tvm.kernels.reference import run_reference


def test_rows_and_outputs_of_a_small_network(tmp_path):
    network = small_network()
    (tmp_path / "network.tflite").write_bytes(write_tflite(network))
    images = np.random.default_rng(0).integers(-128, 128, (3, 1, 9, 7, 5)).astype(np.int8)
    np.savez(tmp_path / "inputs.npz", images)
    main(tmp_path, "mps2-an386")
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["engine"] for row in rows] == ["microTVM", "microTVM, arm_cpu schedules"]
    for number, row in enumerate(rows):
        # 7,680 multiply-accumulates, and 1,524 bytes of weights.
        assert 2 * 7_680 < row["instructions"] < 40 * 7_680
        assert row["instructions"] < row["cycles"]
        assert row["weights_flash_bytes"] >= 1524
        assert 1000 < row["code_flash_bytes"] < 30_000
        # Input, both feature maps and the output at least, and no constants.
        assert 315 + 10 < row["sram_bytes"] < 3000
        assert 0 < row["stack_bytes"] < 3000
        with np.load(tmp_path / f"outputs_{number}.npz") as stored:
            (outputs,) = (stored[name] for name in stored.files)
        for image, output in zip(images, outputs, strict=True):
            (expected,) = run_reference(network, {"image": image}).values()
            difference = np.abs(output.reshape(-1).astype(int) - expected.reshape(-1))
            # TVM's own lowering rounds otherwise.
            assert difference.max() <= 2
