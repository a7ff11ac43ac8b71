# SPDX-License-Identifier: Apache-2.0
"""A static library of a peer that the user has built: found, and checked against the core.

A library for another core or float ABI would at best fail to link with a line that nobody
understands, and at worst be measured; the build attributes of its members tell.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from ..errors import TinyEngineError
from ..targets import Target

ARCHITECTURES = {
    10: "Armv7",
    11: "Armv6-M",
    12: "Armv6-M",
    13: "Armv7E-M",
    16: "Armv8-M Baseline",
    17: "Armv8-M Mainline",
    21: "Armv8.1-M Mainline",
}
"""Tag_CPU_arch of the ABI for the Arm architecture, addenda."""
TARGET_ARCHITECTURES = {
    "cortex-m0plus": "Armv6-M",
    "cortex-m3": "Armv7",
    "cortex-m4": "Armv7E-M",
    "cortex-m7": "Armv7E-M",
    "cortex-m33": "Armv8-M Mainline",
    "cortex-m55": "Armv8.1-M Mainline",
}
FP_ARCHITECTURES = {"cortex-m4": 6, "cortex-m7": 8, "cortex-m33": 8, "cortex-m55": 8}
"""The latest Tag_FP_arch that a core has: 6 is VFPv4-D16, 8 the FPU of Armv8 with 16 registers."""
SINGLE_PRECISION = frozenset({"cortex-m4", "cortex-m33"})
_HARD = 1
_ARCHIVE, _THIN, _HEADER = b"!<arch>\n", b"!<thin>\n", 60


@dataclass(frozen=True)
class Library:
    """A static library: the global symbols it defines, and those it wants of others."""

    path: Path
    defines: frozenset[str] = field(repr=False)
    wants: frozenset[str] = field(repr=False)
    sha256: str = field(repr=False)

    def require(self, symbols: Collection[str], option: str, why: str) -> None:
        """Raises TinyEngineError where a symbol isn't in it."""
        missing = sorted(set(symbols) - self.defines)
        if missing:
            raise TinyEngineError(
                f"{option} '{self.path}' doesn't define {', '.join(missing[:4])}, which {why}; "
                "name the whole library"
            )


def open_library(pattern: str, option: str, target: Target) -> Library:
    """The library for a target's core; `{core}` in `pattern` stands for the target's name.

    Raises:
        TinyEngineError: it is missing, no static library, or not for this core.
    """
    path = Path(pattern.replace("{core}", target.name))
    if not path.is_file():
        problem = "is not a file" if path.exists() else "doesn't exist"
        raise TinyEngineError(
            f"{option} '{path}' {problem}; build the library for {target.name} as its project says"
        )
    data = path.read_bytes()
    if data.startswith(_THIN):
        raise TinyEngineError(f"{option} '{path}' is a thin archive; make one with 'ar rc'")
    if not data.startswith(_ARCHIVE):
        raise TinyEngineError(f"{option} '{path}' is no static library (.a)")
    defines: set[str] = set()
    wants: set[str] = set()
    count = 0
    for name, content in _members(data):
        if not content.startswith(b"\x7fELF"):
            continue
        try:
            elf = ELFFile(io.BytesIO(content))
            _check(elf, name, f"{option} '{path}'", target)
            for symbol, defined in _symbols(elf):
                (defines if defined else wants).add(symbol)
        except ELFError as error:
            raise TinyEngineError(
                f"{option} '{path}' is damaged at {name} ({error}); build it again"
            ) from error
        count += 1
    if not count:
        raise TinyEngineError(f"{option} '{path}' holds no object file; build it again")
    digest = hashlib.sha256(data).hexdigest()
    return Library(path.resolve(), frozenset(defines), frozenset(wants - defines), digest)


def require_header(folders: Collection[Path], option: str, header: str) -> Path:
    """The first of `folders` that holds `header`.

    Raises:
        TinyEngineError: a folder is missing, or none holds it.
    """
    for folder in folders:
        if not folder.is_dir():
            raise TinyEngineError(f"{option} '{folder}' is no folder; name the one of the headers")
    for folder in folders:
        if (folder / header).is_file():
            return folder
    named = ", ".join(f"'{folder}'" for folder in folders) or "nothing"
    raise TinyEngineError(f"{option}: {header} isn't in {named}; name the folder that holds it")


def _members(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents, without the tables of symbols and of long names."""
    long_names = b""
    at = len(_ARCHIVE)
    while at + _HEADER <= len(data):
        header = data[at : at + _HEADER]
        try:
            size = int(header[48:58])
        except ValueError:
            return
        name = header[:16].decode("ascii", "replace").rstrip()
        content = data[at + _HEADER : at + _HEADER + size]
        if name == "//":
            long_names = content
        elif name not in ("/", "/SYM64/"):
            if name[:1] == "/" and name[1:].isdigit():
                start = int(name[1:])
                name = long_names[start:].partition(b"\n")[0].decode("utf-8", "replace")
            yield name.rstrip("/"), content
        at += _HEADER + size + size % 2


def _symbols(elf: ELFFile) -> Iterator[tuple[str, bool]]:
    table = elf.get_section_by_name(".symtab")
    for symbol in table.iter_symbols() if table is not None else ():
        if symbol.name and symbol["st_info"]["bind"] != "STB_LOCAL":
            yield symbol.name, symbol["st_shndx"] != "SHN_UNDEF"


def _check(elf: ELFFile, member: str, library: str, target: Target) -> None:
    """Raises TinyEngineError where an object can't be part of a program for the target."""
    if elf["e_machine"] != "EM_ARM":
        raise TinyEngineError(
            f"{library} holds code for {elf.get_machine_arch()} ({member}), not for "
            f"{target.name}; build it with arm-none-eabi-gcc"
        )
    attributes = _attributes(elf)
    flags = " ".join(target.gcc_flags)
    cure = f"build it with {flags}"
    number = attributes.get("TAG_CPU_ARCH")
    architecture = ARCHITECTURES.get(number or 0, f"architecture {number}")
    if number is not None and architecture != TARGET_ARCHITECTURES.get(target.name):
        raise TinyEngineError(
            f"{library} is for {architecture} ({member}), and {target.name} is "
            f"{TARGET_ARCHITECTURES.get(target.name, 'none of these')}; {cure}"
        )
    if not attributes or not _has_code(elf):
        return
    hard = attributes.get("TAG_ABI_VFP_ARGS") == _HARD
    if hard != ("-mfloat-abi=hard" in target.gcc_flags):
        abi = "hard" if hard else "soft"
        raise TinyEngineError(
            f"{library} passes floats by the {abi} float ABI ({member}), unlike code for "
            f"{target.name}; {cure}"
        )
    fpu = attributes.get("TAG_FP_ARCH", 0)
    # Absent or 3: as the architecture says, so that double precision is used where it has it.
    double = fpu and attributes.get("TAG_ABI_HARDFP_USE", 3) != 1
    if fpu > FP_ARCHITECTURES.get(target.name, 0) or (double and target.name in SINGLE_PRECISION):
        raise TinyEngineError(
            f"{library} uses a floating-point unit that {target.name} lacks ({member}); {cure}"
        )


def _has_code(elf: ELFFile) -> bool:
    return any(
        section.name.startswith(".text") and section["sh_size"] for section in elf.iter_sections()
    )


def _attributes(elf: ELFFile) -> dict[str, Any]:
    section = elf.get_section_by_name(".ARM.attributes")
    if section is None:
        return {}
    return {
        attribute.tag: attribute.value
        for part in section.iter_subsections()
        for scope in part.iter_subsubsections()
        for attribute in scope.iter_attributes()
    }
