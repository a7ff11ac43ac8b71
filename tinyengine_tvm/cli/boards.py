# SPDX-License-Identifier: Apache-2.0
"""`tinyengine boards`: where networks can run."""

from __future__ import annotations

from .terminal import JsonOption, console, print_json, table


def boards(as_json: JsonOption = False) -> None:
    """List the boards, and what this machine lacks for them, with the install command.

    \b
    Examples:
      tinyengine boards
      tinyengine boards --json
    """
    from ..boards import ALL_BOARDS
    from ..boards.tools import install_command

    missing = {name: board.missing() for name, board in ALL_BOARDS.items()}
    needs = {name: board.needs() for name, board in ALL_BOARDS.items()}
    lacking = sorted({tool for tools in missing.values() for tool in tools})
    if as_json:
        print_json(
            [
                {
                    "name": name,
                    "description": board.description,
                    "targets": list(board.targets),
                    "ready": not missing[name] and not needs[name],
                    "missing": [{"tool": t, "package": p} for t, p in missing[name]],
                    "needs": needs[name],
                    "install": install_command(missing[name]) if missing[name] else None,
                }
                for name, board in ALL_BOARDS.items()
            ]
        )
        return
    shown = table("board", "what it is", "runs code for", "here")
    for name, board in ALL_BOARDS.items():
        tools = ", ".join(
            [*(tool for tool, _ in missing[name]), *(["a Zephyr tree"] if needs[name] else [])]
        )
        state = f"lacks {tools}" if tools else "ready"
        shown.add_row(name, board.description, ", ".join(board.targets), state)
    console().print(shown)
    for needed in dict.fromkeys(filter(None, needs.values())):
        console().print(needed)
    if lacking:
        console().print(f"to install what is missing: {install_command(lacking)}")
