# SPDX-License-Identifier: Apache-2.0
"""microTVM's rows of one model on one emulated board, for `tinyengine bench`.

    .venv-relay/bin/python benchmarks/microtvm_rows.py FOLDER BOARD

Runs in the environment with a TVM that has Relay. FOLDER holds network.tflite and inputs.npz, an
array [samples, ...] per input in the model's order. Writes rows.json, a row per choice of
schedules, and outputs_N.npz, the outputs of row N for all samples.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import tvm
from tvm import relay

from benchmarks import microtvm
from benchmarks.relay import imported
from tinyengine_tvm.boards.elf import Image
from tinyengine_tvm.profile.cycles import count_cycles
from tinyengine_tvm.profile.plugin import plugin_for
from tinyengine_tvm.targets import get_target

ENGINE = "microTVM"
FUNCTION = "tvmgen_default_run"


def row(
    module: tvm.IRModule, target: str, board: str, core: str, folder: Path, inputs: list[Any]
) -> tuple[dict[str, Any], list[np.ndarray]]:
    """What one build needs, and its outputs; SRAM is the workspace with inputs and outputs."""
    facts = microtvm.export(microtvm.build(module, None, target), folder)
    memory = facts["modules"]["default"]["memory"]["functions"]["main"][0]
    ports_in, ports_out = microtvm.ports(relay.transform.InferType()(module), folder)
    microtvm.as_compiled_model(folder, core, ports_in, ports_out)
    machine, program = microtvm.program(folder, board)
    samples = {
        port.field: array.reshape(len(array), *port.shape)
        for port, array in zip(ports_in, inputs, strict=True)
    }
    outputs = list(machine.execute(program, samples).outputs.values())
    first = {name: array[:1] for name, array in samples.items()}
    counts = plugin_for(machine).count(machine, program, first, folder / "build")
    path = folder / "build/alone.elf"
    roots = [FUNCTION, "tvmgen_default_map_inputs", "tvmgen_default_map_outputs"]
    options = [f"-Wl,--entry={FUNCTION}", *(f"-Wl,--undefined={root}" for root in roots)]
    own = [*(folder / "build").glob("model.o"), *program.objects]
    machine.link(get_target(core), own, path, options)
    image = Image(path)
    # By addresses: TVM's constants lie in flash, in a section that is marked as if written to.
    sram = sum(image.address(f"__{s}_end") - image.address(f"__{s}_start") for s in ("data", "bss"))
    weights = int(memory.get("constants_size_bytes", 0))
    estimate = count_cycles(core, program.path, [counts.layers[0].addresses])
    return {
        "instructions": counts.instructions,
        "cycles": estimate.total,
        "sram_bytes": sram,
        "stack_bytes": counts.stack_bytes,
        "weights_flash_bytes": weights,
        "code_flash_bytes": image.flash_bytes - weights,
    }, outputs


def main(folder: Path, board: str) -> None:
    """Measures the model of a folder."""
    core = microtvm.get_board(board).own_target
    module, params = imported(folder / "network.tflite")
    bound = relay.build_module.bind_params_by_name(module["main"], params)
    plain = relay.transform.InferType()(tvm.IRModule.from_expr(bound))
    with np.load(folder / "inputs.npz") as stored:
        inputs = [stored[name] for name in stored.files]
    rows = []
    for number, (engine, target) in enumerate(
        ((ENGINE, "c"), (f"{ENGINE}, arm_cpu schedules", f"c -keys=arm_cpu -mcpu={core}"))
    ):
        facts, outputs = row(plain, target, board, core, folder / str(number), inputs)
        np.savez(folder / f"outputs_{number}.npz", *outputs)
        rows.append({"engine": engine, **facts})
    (folder / "rows.json").write_text(json.dumps(rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
