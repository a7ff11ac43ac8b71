# SPDX-License-Identifier: Apache-2.0
"""Attributes of an imported module: lists of the interface's names in the model file."""

INPUT_NAMES = "tinyengine.input_names"
OUTPUT_NAMES = "tinyengine.output_names"
