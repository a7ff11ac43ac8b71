# SPDX-License-Identifier: Apache-2.0
"""Model Library Format: the .tar that microTVM's tools and project generators take.

The layout follows TVM's specification of the format (version 7, one module, executor "aot"). There
are no TVM parameters inside: weights are constants of the C source.
"""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

# A fixed date: the same model gives the same bytes.
_EXPORT_DATE = "1970-01-01 00:00:00Z"


def _manifest(facts: dict[str, Any]) -> dict[str, Any]:
    name = facts["name"]

    def sizes(ports: list[dict[str, Any]]) -> dict[str, Any]:
        return {p["field"]: {"size": p["bytes"], "dtype": p["dtype"]} for p in ports}

    ports = [*facts["inputs"], *facts["outputs"]]
    main = {
        "device": 1,  # kDLCPU
        "inputs": sizes(facts["inputs"]),
        "outputs": sizes(facts["outputs"]),
        "io_size_bytes": sum(p["bytes"] for p in ports),
        "workspace_size_bytes": facts["arena_bytes"],
        "constants_size_bytes": sum(c["bytes"] for c in facts["constants"]),
    }
    module = {
        "model_name": name,
        "export_datetime": _EXPORT_DATE,
        "executors": ["aot"],
        "style": "full-model",
        "external_dependencies": [],
        "target": [{"kind": "c", "mcpu": facts["target"], "tag": "", "keys": ["cpu"]}],
        "memory": {"functions": {"main": [main], "operator_functions": []}},
    }
    return {"version": 7, "modules": {name: module}}


def library_archive(facts: dict[str, Any], source: str, header: str) -> bytes:
    """Bytes of <name>.tar for metadata `facts`, model.c and model.h."""
    name = facts["name"]
    guard = f"TVMGEN_{name.upper()}_INTERFACE_H"
    files = {
        "metadata.json": json.dumps(_manifest(facts), indent=2, sort_keys=True) + "\n",
        "codegen/host/include/model.h": header,
        # microTVM's projects include this name.
        f"codegen/host/include/tvmgen_{name}.h": (
            f'#ifndef {guard}\n#define {guard}\n#include "model.h"\n#endif\n'
        ),
        "codegen/host/src/model.c": source,
        "executor-config/aot/metadata.json": json.dumps({"interface-api": "c"}) + "\n",
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(files):
            data = files[path].encode()
            info = tarfile.TarInfo(f"./{path}")
            info.size = len(data)
            info.mode = 0o644
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
