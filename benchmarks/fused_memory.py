# SPDX-License-Identifier: Apache-2.0
"""SRAM, multiply-accumulates and instructions of networks computed a few rows at a time.

    python -m benchmarks.fused_memory MODEL.tflite ...

Beside the models: MobileNetV2-0.35 at 144x144 and a network like MCUNet's for visual wake words at
80x80, both with random weights. Dead channels are kept. `sram` is arena and static data.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tests.tiling.networks import mcunet_like, mobilenet_v2
from tinyengine_tvm import compile_network
from tinyengine_tvm.artifact import Artifact
from tinyengine_tvm.importers import import_network
from tinyengine_tvm.network import Network

BOARD, TARGET = "mps2-an386", "cortex-m4"
PLANS: tuple[dict[str, Any], ...] = (
    {},
    {"optimise": "sram"},
    {"optimise": "sram", "stream_input": True},
    {"optimise": "sram", "stream_input": True, "mac_factor": 1.5},
)


def measured(network: Network, options: dict[str, Any]) -> tuple[int, int, int]:
    """Bytes of SRAM without the stack, multiply-accumulates, instructions."""
    artifact: Artifact = compile_network(
        network, target=TARGET, disabled_rewrites=("dead_channels",), **options
    )
    facts = artifact.profile(BOARD).to_json()
    macs = sum(layer["macs"] for layer in artifact.metadata["layers"])
    return facts["sram"]["arena"] + facts["sram"]["static"], macs, facts["instructions"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path)
    networks = {
        path.stem: import_network(path, name="net", interface="int8")
        for path in parser.parse_args().models
    }
    networks |= {"MobileNetV2-0.35-r144": mobilenet_v2(), "MCUNet-like-r80": mcunet_like()}
    for name, network in networks.items():
        whole = measured(network, {})
        for options in PLANS:
            sram, macs, instructions = measured(network, options) if options else whole
            print(
                f"{name}, {options or 'whole layers'}: {sram:,} bytes, "
                f"{macs / whole[1]:.3f} x MACs, {instructions / whole[2]:.3f} x instructions",
                flush=True,
            )


if __name__ == "__main__":
    main()
