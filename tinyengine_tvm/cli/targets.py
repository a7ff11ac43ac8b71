# SPDX-License-Identifier: Apache-2.0
"""`tinyengine targets`: the cores that code can be generated for."""

from __future__ import annotations

from .terminal import JsonOption, console, print_json, table


def targets(as_json: JsonOption = False) -> None:
    """List the cores to compile for, and the boards of this machine that run their code.

    \b
    Examples:
      tinyengine targets
      tinyengine targets --json
    """
    from ..boards import ALL_BOARDS as BOARDS
    from ..boards.tools import install_command
    from ..targets import TARGETS

    missing = {name: board.missing() for name, board in BOARDS.items()}
    lacking = sorted({tool for tools in missing.values() for tool in tools})
    ready = {name: not missing[name] and not board.needs() for name, board in BOARDS.items()}
    runs_on = {
        name: [board.name for board in BOARDS.values() if name in board.targets] for name in TARGETS
    }
    if as_json:
        print_json(
            [
                {
                    "name": name,
                    "description": target.description,
                    "features": sorted(target.features),
                    "gcc_flags": list(target.gcc_flags),
                    "boards": [{"name": b, "ready": ready[b]} for b in runs_on[name]],
                }
                for name, target in TARGETS.items()
            ]
        )
        return
    shown = table("target", "core", "gcc", "boards")
    for name, target in TARGETS.items():
        boards = [b if ready[b] else f"{b} (not ready)" for b in runs_on[name]]
        shown.add_row(
            name, target.description, " ".join(target.gcc_flags), ", ".join(boards) or "none"
        )
    console().print(shown)
    if lacking:
        console().print(f"to install what is missing: {install_command(lacking)}")
