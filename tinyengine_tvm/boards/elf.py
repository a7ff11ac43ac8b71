# SPDX-License-Identifier: Apache-2.0
"""Symbols and sections of a linked program."""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile


@dataclass(frozen=True)
class Symbol:
    """A function or object; size in bytes, section None where it is absolute."""

    name: str
    address: int
    size: int
    kind: str
    section: str | None


TEXT_SECTIONS = (".text", "text")
"""Ours, and Zephyr's."""
TEXT_BOUNDS = (
    ("__text_start", "__text_end"),
    ("__text_region_start", "__text_region_end"),
    ("_image_text_start", "_image_text_end"),
)
"""The symbols around the code, in our programs, in Zephyr's, and in those of its older releases."""


class Image:
    """Reads one ELF file. Addresses of Thumb functions come without their lowest bit."""

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as file:
            elf = ELFFile(file)
            self.flash_bytes = 0
            """What is loaded: code, constants, and the initial values of data."""
            self.ram_bytes = 0
            """Data, zeroed or not, without the harness's stack."""
            for section in elf.iter_sections():
                if not section["sh_flags"] & SH_FLAGS.SHF_ALLOC or section.name == ".stack":
                    continue
                if section["sh_type"] != "SHT_NOBITS":
                    self.flash_bytes += section["sh_size"]
                if section["sh_flags"] & SH_FLAGS.SHF_WRITE:
                    self.ram_bytes += section["sh_size"]
            layers = elf.get_section_by_name(".tinyengine_layers")
            data = layers.data() if layers is not None else b""
            self.layer_marks: list[tuple[int, int]] = [
                (number, address & ~1) for number, address in struct.iter_unpack("<2I", data)
            ]
            """(layer, address of its first instruction), ascending by layer."""
            self.layer_marks.sort()
            self.symbols: dict[str, Symbol] = {}
            found = [name for name in TEXT_SECTIONS if elf.get_section_by_name(name) is not None]
            self.text_section = found[0] if found else ""
            text = elf.get_section_by_name(self.text_section)
            self._text_end: int = text["sh_addr"] + text["sh_size"] if text is not None else 0
            functions, labels = [], []
            table = elf.get_section_by_name(".symtab")
            for entry in table.iter_symbols() if table is not None else ():
                if not entry.name or entry.name.startswith("$"):
                    continue
                kind = entry["st_info"]["type"]
                index = entry["st_shndx"]
                address = entry["st_value"]
                if kind == "STT_FUNC":
                    address &= ~1
                section = elf.get_section(index).name if isinstance(index, int) else None
                symbol = Symbol(entry.name, address, entry["st_size"], kind, section)
                self.symbols[entry.name] = symbol
                if kind == "STT_FUNC":
                    functions.append(symbol)
                elif (
                    kind == "STT_NOTYPE"
                    and section == self.text_section
                    and not entry.name.startswith(("__text_", "_image_text_"))
                ):
                    labels.append(symbol)
        # Functions in assembly may lack a type; a label inside a function is none.
        covered = sorted((f.address, f.address + f.size) for f in functions)
        functions += [
            label
            for label in labels
            if not any(start <= label.address < end for start, end in covered)
        ]
        functions.sort(key=lambda s: (s.address, s.size))
        self._functions = functions
        self._starts = [symbol.address for symbol in functions]

    def address(self, name: str) -> int:
        """The address of a symbol that the harness defines."""
        return self.symbols[name].address

    @property
    def code_range(self) -> tuple[int, int]:
        """The addresses where the program's code begins and ends."""
        for start, end in TEXT_BOUNDS:
            if start in self.symbols:
                return self.address(start), self.address(end)
        raise KeyError(TEXT_BOUNDS[0][0])

    def function_at(self, address: int) -> str | None:
        """The C name of the function that holds `address`."""
        address &= ~1
        index = bisect_right(self._starts, address) - 1
        if index < 0 or address >= self._text_end:
            return None
        found = self._functions[index]
        if found.size and address >= found.address + found.size:
            return None
        # gcc names its clones after the function: name.constprop.0, name.part.1
        return found.name.partition(".")[0] or found.name
