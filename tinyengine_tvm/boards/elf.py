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
            text = elf.get_section_by_name(".text")
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
                    and section == ".text"
                    and not entry.name.startswith("__text_")
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
