# SPDX-License-Identifier: Apache-2.0
"""`tinyengine profile`: instructions, cycles, SRAM and flash of a compiled network on a board."""

from __future__ import annotations

from typing import Any

from .run import BoardOption, DirectoryArgument, load
from .terminal import JsonOption, console, facts, print_json, progress, table


def profile(
    directory: DirectoryArgument,
    board: BoardOption,
    as_json: JsonOption = False,
) -> None:
    """Count the instructions of one inference, estimate its cycles, measure SRAM and flash.

    \b
    Examples:
      tinyengine profile build/net --board mps2-an386
      tinyengine profile build/net --board mps2-an500 --json
    """
    from ..boards import get_board

    artifact = load(directory)
    get_board(board)
    with progress(f"profiling {artifact.name} on {board}", quiet=as_json):
        document = artifact.profile(board).to_json()
    if as_json:
        print_json(document)
        return
    _print(document)


def _print(profile: dict[str, Any]) -> None:
    total = profile["instructions"]
    estimated = profile["cycles"] is not None
    columns = ["layer", "operator", ">instructions", ">share", ">MACs", ">per MAC"]
    columns += [">cycles", ">per MAC"] if estimated else []
    shown = table(*columns, ">live bytes")
    for layer in profile["layers"]:
        count, macs = layer["instructions"], layer["macs"]
        measured = count is not None
        row = [
            layer["name"],
            layer["op"],
            f"{count:,}" if measured else "not measured",
            f"{count / total:.1%}" if measured and total else "",
            f"{macs:,}" if macs else "",
            f"{count / macs:.2f}" if measured and macs else "",
        ]
        if estimated:
            cycles = layer["cycles"]
            row += [f"{cycles:,}", f"{cycles / macs:.2f}" if macs else ""]
        shown.add_row(*row, f"{layer['arena_live']:,}")
    console().print(shown)
    console().print(facts(_summary(profile)))
    for note in (profile["note"], profile["cycles_note"]):
        if note:
            console().print(note)


def _summary(profile: dict[str, Any]) -> list[tuple[str, str]]:
    sram, flash = profile["sram"], profile["flash"]
    per_mac = profile["instructions_per_mac"]
    cycles, cycles_per_mac = profile["cycles"], profile["cycles_per_mac"]
    estimate = (
        []
        if cycles is None
        else [
            (
                "cycles",
                f"about {cycles:,} per inference"
                + (f", {cycles_per_mac:.2f} per MAC" if cycles_per_mac else "")
                + " (a timing model, no wait states)",
            )
        ]
    )
    return [
        ("board", f"{profile['board']}, code for {profile['target']}"),
        (
            "instructions",
            f"{profile['instructions']:,} per inference"
            + (f", {per_mac:.2f} per MAC" if per_mac else ""),
        ),
        *estimate,
        ("MACs", f"{profile['macs']:,}"),
        (
            "SRAM",
            f"{sram['total']:,} bytes: arena {sram['arena']:,}, static {sram['static']:,}, "
            f"stack {sram['stack']:,}",
        ),
        (
            "flash",
            f"{flash['total']:,} bytes: weights {flash['weights']:,}, code {flash['code']:,}",
        ),
    ]
