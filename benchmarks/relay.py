# SPDX-License-Identifier: Apache-2.0
"""Our kernels in a microTVM pipeline against microTVM alone, on one emulated board.

    .venv-relay/bin/python benchmarks/relay.py MODEL.tflite ... --core cortex-m4 -o FOLDER

Needs the environment with a TVM that has Relay (`make test-relay` makes it). Both sides go through
the same relay.build: AOT executor, C interface, USMP. Workspace is what the network needs in SRAM
beside its input and output: TVM's own and our regions'. Outputs are compared with those of
`compile_model`. Writes relay.json into FOLDER and prints a table.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import tflite
import tvm
import typer
from rich.console import Console
from rich.table import Table
from tvm import relay

from benchmarks import microtvm
from tinyengine_tvm import compile_model
from tinyengine_tvm.boards.elf import Image
from tinyengine_tvm.relay import partition_for_tinyengine

BOARDS = {
    "cortex-m3": "mps2-an385",
    "cortex-m4": "mps2-an386",
    "cortex-m7": "mps2-an500",
    "cortex-m33": "mps2-an505",
    "cortex-m55": "mps3-an547",
}
SAMPLES = 4


def imported(model: Path) -> tuple[tvm.IRModule, Any]:
    """The model as TVM's importer gives it, with an output name that C takes."""
    data = model.read_bytes()
    module, params = relay.frontend.from_tflite(tflite.Model.GetRootAs(data, 0))
    count = tflite.Model.GetRootAs(data, 0).Subgraphs(0).OutputsLength()
    names = [f"output_{i}" for i in range(count)]
    module["main"] = module["main"].with_attr("output_tensor_names", names)
    return module, params


def measured(
    module: tvm.IRModule, params: Any, target: str, core: str, folder: Path, x: np.ndarray
) -> tuple[dict[str, int], np.ndarray]:
    """Bytes and instructions of one build, and its first output for the samples `x`."""
    facts = microtvm.export(microtvm.build(module, params, target), folder)
    memory = facts["modules"]["default"]["memory"]["functions"]["main"][0]
    inputs, outputs = microtvm.ports(relay.transform.InferType()(module), folder)
    inputs = [port for port in inputs if port.field not in (params or {})]
    microtvm.as_compiled_model(folder, core, inputs, outputs)
    samples = {inputs[0].field: x.reshape(len(x), *inputs[0].shape)}
    result = microtvm.run(folder, BOARDS[core], samples).outputs[outputs[0].field]
    count = microtvm.instructions(folder, BOARDS[core], {k: v[:1] for k, v in samples.items()})
    image = Image(folder / "build/program.elf")
    own = image.symbols.get("tinyengine_workspace")
    row = {
        "workspace_bytes": memory["workspace_size_bytes"] + (own.size if own is not None else 0),
        "flash_bytes": image.flash_bytes,
        "instructions": count,
    }
    return row, result


def rows_of(model: Path, core: str) -> list[dict[str, Any]]:
    """One row per engine."""
    module, params = imported(model)
    artifact = compile_model(model, target="host")
    port = artifact.metadata["inputs"][0]
    random = np.random.default_rng(0)
    shape = (SAMPLES, *port["shape"])
    if port["dtype"] == "int8":
        x = random.integers(-128, 128, shape, np.int8)
    else:
        x = random.normal(0, 1, shape).astype(np.float32)
    (expected,) = artifact.run("host", x).values()
    ours = partition_for_tinyengine(module, params, target=core)
    bound = relay.build_module.bind_params_by_name(module["main"], params)
    plain = relay.transform.InferType()(tvm.IRModule.from_expr(bound))
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for index, (engine, candidate, target) in enumerate(
            (
                ("microTVM", plain, "c"),
                ("microTVM, arm_cpu schedules", plain, f"c -keys=arm_cpu -mcpu={core}"),
                ("microTVM with tinyengine-tvm", ours, "c"),
            )
        ):
            row, result = measured(candidate, None, target, core, Path(work, str(index)), x)
            difference = np.abs(result.astype(np.float64) - expected.reshape(result.shape))
            rows.append(
                {
                    "model": model.stem,
                    "core": core,
                    "engine": engine,
                    **row,
                    "largest_difference": float(difference.max()),
                }
            )
    return rows


def main(
    models: Annotated[list[Path], typer.Argument(help="int8 .tflite files.")],
    core: Annotated[str, typer.Option(help="The core to compile for.")] = "cortex-m4",
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for relay.json.")] = Path(),
) -> None:
    """Measures each model with and without our kernels."""
    rows = [row for model in models for row in rows_of(model, core)]
    table = Table("model", "engine")
    for column in ("workspace", "flash", "instructions", "largest difference"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            row["model"],
            row["engine"],
            *(f"{row[k]:,}" for k in ("workspace_bytes", "flash_bytes", "instructions")),
            f"{row['largest_difference']:g}",
        )
    Console(width=None if sys.stdout.isatty() else 110).print(table)
    output.mkdir(parents=True, exist_ok=True)
    (output / "relay.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
