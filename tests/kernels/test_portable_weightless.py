# SPDX-License-Identifier: Apache-2.0
"""The portable C of layers without weights equals their numpy semantics."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernel_harness import RECKLESS, SANITISED, case_of, run_kernels
from tests.random_layers import WEIGHTLESS, samples
from tinyengine_tvm.kernels.registry import REFERENCE


def expected(network, inputs):
    (layer,) = network.layers
    result = REFERENCE[type(layer)](network, layer, inputs)
    return np.asarray(result).reshape(network.output_of(layer).shape)


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
@pytest.mark.parametrize("operator", WEIGHTLESS)
def test_c_equals_semantics(operator, mode):
    chosen = samples(operator, mode, 60)
    cases = [case_of(network, inputs) for network, inputs in chosen]
    for flags in (SANITISED, RECKLESS):
        for (network, inputs), output in zip(chosen, run_kernels(cases, flags), strict=True):
            np.testing.assert_array_equal(output, expected(network, inputs), str(network.layers))
