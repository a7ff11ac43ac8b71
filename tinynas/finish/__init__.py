# SPDX-License-Identifier: Apache-2.0
"""From a genome to a network on the board: fine-tuned, quantised, compiled and measured."""
