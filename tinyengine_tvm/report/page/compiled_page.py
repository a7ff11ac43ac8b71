# SPDX-License-Identifier: Apache-2.0
"""The sections about a compiled network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..arena import ArenaMap
from .content import (
    Block,
    Column,
    Commands,
    Meter,
    Paragraph,
    Pictures,
    Row,
    Section,
    Table,
    Tile,
    Tiles,
    Value,
    Words,
    words,
)
from .panels import arena_rows, bars_picture, network_picture, parts

PLANS = 6
"""Plans of each kind that are shown: the largest one and those with the least SRAM."""


def subtitle(facts: Mapping[str, Any], at: str) -> Words:
    """Where a network comes from, in a line."""
    template = "for {target:text}, {mode:text} arithmetic, by tinyengine-tvm {version:text}"
    if facts["model"]["file"]:
        template = "{model/file:text}, compiled " + template
    return words(template, at)


def compiled_sections(facts: Mapping[str, Any], at: str) -> list[Section]:
    """Everything about one compiled network. `at`: the pointer of its facts in the document's."""
    arena = ArenaMap.from_json(facts["memory"])
    sections = [
        Section(("At a glance",), (_tiles(facts, at),)),
        Section(("SRAM and flash",), tuple(_usage(facts, at))),
        Section(("The network, layer by layer",), tuple(_pictures(facts, arena, at))),
        Section(("Where the peak is, and what would lower it",), tuple(_peak(facts, arena, at))),
        Section(("In numbers",), tuple(_numbers(facts, at))),
    ]
    if facts["commands"]:
        lines = tuple(Value(f"{at}/commands/{i}", "text") for i in range(len(facts["commands"])))
        sections.append(Section(("To reproduce it",), (Commands(lines),)))
    return sections


def _tiles(facts: Mapping[str, Any], at: str) -> Tiles:
    profile, usage = facts["profile"], facts["usage"]
    tiles = []
    if profile is not None:
        note = "on {profile/board:text}"
        if profile["instructions_per_mac"]:
            note = "{profile/instructions_per_mac:ratio} per MAC, " + note
        value = Value(f"{at}/profile/instructions")
        tiles.append(Tile("instructions", value, note=words(note, at)))
        if profile["cycles"] is not None:
            tiles.append(
                Tile("cycles, estimated", Value(f"{at}/profile/cycles"), note=("no wait states",))
            )
    tiles.append(Tile("MACs", Value(f"{at}/macs"), note=words("{layer_count} layers", at)))
    stack = "stack" in usage["sram"]["parts"]
    tiles.append(
        Tile(
            "bytes of SRAM",
            Value(f"{at}/usage/sram/counted"),
            note=words("and {usage/sram/parts/stack} of stack", at) if stack else ("the arena",),
        )
    )
    code = "code" in usage["flash"]["parts"]
    tiles.append(
        Tile(
            "bytes of flash",
            Value(f"{at}/usage/flash/counted"),
            note=words("{usage/flash/parts/code} of them code", at) if code else ("constants",),
        )
    )
    return Tiles(tuple(tiles))


def _usage(facts: Mapping[str, Any], at: str) -> list[Block]:
    blocks: list[Block] = []
    for name, label in (("sram", "SRAM"), ("flash", "Flash")):
        usage = facts["usage"][name]
        limited = usage["limit"] is not None
        note: Words = ()
        if limited and usage["left"] >= 0:
            note = words(f"{{usage/{name}/left}} bytes are left.", at)
        elif limited:
            note = ("Over the budget.",)
        blocks.append(
            Meter(
                label,
                tuple((p, Value(f"{at}/usage/{name}/parts/{p}")) for p in usage["parts"]),
                Value(f"{at}/usage/{name}/total"),
                Value(f"{at}/usage/{name}/limit") if limited else None,
                note,
            )
        )
    unlimited = all(usage["limit"] is None for usage in facts["usage"].values())
    remarks = []
    if unlimited:
        remarks.append("No budget was given; --sram and --flash set one.")
    if facts["profile"] is None:
        remarks.append("Stack and code weren't measured; --board names the board to do it on.")
    else:
        remarks.append("The stack is shared with the caller and isn't held against the budget.")
    blocks.append(Paragraph((" ".join(remarks),)))
    return blocks


def _pictures(facts: Mapping[str, Any], arena: ArenaMap, at: str) -> list[Block]:
    layers, peak = facts["layers"], arena.peak
    blocks: list[Block] = []
    text = (
        "Each row is a layer, in the order of execution; the marked one has the most bytes in use."
    )
    if facts["profile"] is not None:
        text += " Instructions are those of one inference, counted exactly; cycles are estimated."
    for rows in parts(len(layers)):
        blocks.append(
            Pictures(
                (
                    network_picture(layers, rows, peak, f"{at}/layers"),
                    arena_rows(arena, rows, f"{at}/memory"),
                    bars_picture(layers, rows, peak, f"{at}/layers"),
                ),
                aligned=True,
                words=() if blocks else words(text, at),
            )
        )
    return blocks


def _peak(facts: Mapping[str, Any], arena: ArenaMap, at: str) -> list[Block]:
    memory, around = facts["memory"], facts["around_peak"]
    text = (
        "{memory/peak/layer:text} ({memory/peak/op:text}) has {memory/peak/live_bytes} bytes in "
        "use, of an arena of {memory/arena_bytes}. "
    )
    if memory["gap_bytes"] == 0:
        text += "No smaller arena exists for this order of layers: it is the lower bound."
    elif memory["optimal"]:
        text += "No smaller arena exists, though the lower bound is {memory/gap_bytes} bytes less."
    else:
        text += "It is {memory/gap_bytes} bytes above the lower bound."
    blocks: list[Block] = [Paragraph(words(text, at))]
    rows = []
    for index, box in reversed(list(enumerate(memory["peak"]["buffers"]))):
        here = f"memory/peak/buffers/{index}"
        rows.append(
            Row(
                (
                    words(f"{{{here}/name:text}}", at),
                    (box["kind"],),
                    words(f"{{{here}/offset}}", at),
                    words(f"{{{here}/bytes}}", at),
                )
            )
        )
    columns = (Column("in use there"), Column("kind"), Column("at", True), Column("bytes", True))
    blocks.append(Table(columns, tuple(rows)))
    if around["second"] is not None:
        saves = (
            "If this layer alone took less, at most {around_peak/gain_bytes} bytes would be saved: "
            "then {around_peak/second/layer:text} is the peak, with "
            "{around_peak/second/live_bytes}."
        )
        if around["gain_bytes"] == 0:
            saves = (
                "Less in this layer alone would save nothing: {around_peak/second/layer:text} has "
                "as many bytes in use."
            )
        if around["near_count"] > 1:
            saves += (
                " {around_peak/near_count} other layers have more than "
                "{around_peak/near_share:share} of the peak in use, so that it takes a change "
                "to all of them to save more than a tenth."
            )
        blocks.append(Paragraph(words(saves, at)))
    blocks += _remedies(facts, at)
    return blocks


def _remedies(facts: Mapping[str, Any], at: str) -> list[Block]:
    """What the compiler can do about the peak."""
    plans = facts["plans"]
    if plans is None:
        return [Paragraph((_advice(facts),))]
    better = [i for i, plan in enumerate(plans) if plan["saved_bytes"] > 0]
    if not better:
        return [Paragraph(("No plan was found that takes less SRAM.",))]
    rows = []
    for streamed in (False, True):
        own = [i for i in better if plans[i]["streamed"] == streamed]
        # The first saves for the least; of the others those count that save most.
        for i in own if len(own) <= PLANS else [own[0], *own[1 - PLANS :]]:
            here = f"plans/{i}"
            rows.append(
                Row(
                    (
                        words(f"{{{here}/options:text}}", at),
                        words(f"{{{here}/arena_bytes}}", at),
                        words(f"{{{here}/saved_bytes}}", at),
                        words(f"{{{here}/extra_instructions}}", at),
                        words(f"{{{here}/mac_factor:ratio}}", at),
                    )
                )
            )
    columns = (
        Column("compile again with"),
        Column("arena", True),
        Column("saved", True),
        Column("instructions more, estimated", True),
        Column("MACs, relative", True),
    )
    text = (
        "The compiler can compute layers together, a few rows at a time; outputs stay the same. "
        "With --stream-input the caller hands the input over in rows, so that no frame is held."
    )
    return [Paragraph((text,)), Table(columns, tuple(rows))]


def _advice(facts: Mapping[str, Any]) -> str:
    options, held = facts["options"], facts["around_peak"]["held"]
    advice = []
    if options.get("optimise") != "sram":
        advice.append(
            "--optimise sram looks for a plan that computes the layers around the peak together, a "
            "few rows at a time."
        )
    if held.get("input") and not options.get("stream_input"):
        advice.append(
            "The network's input is in use at the peak: with --stream-input the caller hands it "
            "over in rows, so that it takes no SRAM."
        )
    if facts["model"]["file"]:
        advice.append(f"`tinyengine pareto {facts['model']['file']}` lists what less SRAM costs.")
    return " ".join(advice)


def _numbers(facts: Mapping[str, Any], at: str) -> list[Block]:
    measured = facts["profile"] is not None
    cycles = measured and facts["profile"]["cycles"] is not None
    columns = [Column("#", True), Column("layer"), Column("operator"), Column("output", True)]
    columns += [Column("instructions", True)] if measured else []
    columns += [Column("cycles", True)] if cycles else []
    columns += [Column("MACs", True)]
    columns += [Column("per MAC", True)] if measured else []
    columns += [Column("bytes in use", True), Column("scratch", True), Column("kernel")]
    rows = []
    for index, layer in enumerate(facts["layers"]):

        def cell(name: str, form: str = "count", index: int = index) -> Words:
            return words(f"{{layers/{index}/{name}:{form}}}", at)

        what = layer["operator"]
        if "window" in layer:
            size = "×".join(map(str, layer["window"]))  # noqa: RUF001
            steps = sorted(set(layer["stride"]) - {1})
            what += f" {size}" + (f" /{steps[-1]}" if steps else "")
        cells = [(str(index),), cell("name", "text"), (what,), cell("output_shape", "shape")]
        cells += [cell("instructions")] if measured else []
        cells += [cell("cycles")] if cycles else []
        cells += [cell("macs")]
        cells += [cell("instructions_per_mac", "ratio")] if measured else []
        cells += [cell("live_bytes"), cell("scratch_bytes"), cell("kernel", "text")]
        rows.append(
            Row(tuple(cells), "peak" if layer["name"] == facts["memory"]["peak"]["layer"] else "")
        )
    constants = tuple(
        Row(
            (
                words(f"{{constants/{i}/symbol:text}}", at),
                words(f"{{constants/{i}/bytes}}", at),
            )
        )
        for i in range(len(facts["constants"]))
    )
    blocks: list[Block] = [
        Table(tuple(columns), tuple(rows), "Every layer", folded=False),
        Table((Column("constant"), Column("bytes", True)), constants, "Largest constants", True),
    ]
    notes = [] if not measured else [facts["profile"]["note"], facts["profile"]["cycles_note"]]
    blocks += [Paragraph((note,)) for note in notes if note]
    return blocks
