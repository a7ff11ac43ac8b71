# SPDX-License-Identifier: Apache-2.0
"""Attributes of an imported module: what the model file says of its interface, as lists."""

INPUT_NAMES = "tinyengine.input_names"
OUTPUT_NAMES = "tinyengine.output_names"
INPUT_SCALES = "tinyengine.input_scales"
"""0 where an input isn't quantised."""
INPUT_ZERO_POINTS = "tinyengine.input_zero_points"
