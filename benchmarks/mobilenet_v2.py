# SPDX-License-Identifier: Apache-2.0
"""Writes MobileNetV2 of width 0.35 with random weights as .tflite: a common network to measure.

python -m benchmarks.mobilenet_v2 FILE.tflite [--size PIXELS]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.tflite_models import write_tflite
from tests.tiling.networks import mobilenet_v2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--size", type=int, default=144, help="height and width of the image")
    arguments = parser.parse_args()
    arguments.output.write_bytes(write_tflite(mobilenet_v2(arguments.size)))


if __name__ == "__main__":
    main()
