# SPDX-License-Identifier: Apache-2.0
"""What a timing model needs to know of an instruction, from objdump's text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..disassembly import Line
from .mnemonics import Form, Kind, Mnemonic, split_mnemonic

FLAGS = "flags"
"""The condition flags, as a register that is read and written."""

_ALIASES = {"sb": "r9", "sl": "r10", "fp": "r11", "ip": "r12", "r13": "sp", "r14": "lr"}
_REGISTER = re.compile(r"(?:r\d+|s\d+|d\d+|sb|sl|fp|ip|sp|lr|pc)!?$")
_SHIFT = re.compile(r"(lsl|lsr|asr|ror|rrx)\b")
_TARGET = re.compile(r"^([0-9a-f]+) <")
_READ_CARRY = frozenset({"adc", "sbc", "rrx"})
_NO_REGISTERS: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Instruction:
    """One decoded instruction.

    reads: all registers that it needs, FLAGS among them. Of these, `address` form its address,
    `data` are stored, `added` are added to a product, `shifted` are shifted or extended on the way.
    writes: what it computes or loads; base: the register that an access writes its address back to.
    words: 32-bit words that it transfers; access: bytes of the access of one register.
    offset: the constant part of the address; None where another register is added.
    shift: lsl, lsr, asr, ror or rrx of an operand. target: of a branch to a label.
    """

    address: int
    size: int
    name: str
    kind: Kind
    reads: frozenset[str] = _NO_REGISTERS
    writes: frozenset[str] = _NO_REGISTERS
    address_registers: frozenset[str] = _NO_REGISTERS
    data: frozenset[str] = _NO_REGISTERS
    added: frozenset[str] = _NO_REGISTERS
    shifted: frozenset[str] = _NO_REGISTERS
    base: str | None = None
    words: int = 0
    access: int = 0
    offset: int | None = None
    shift: str | None = None
    conditional: bool = False
    target: int | None = None

    @property
    def branches(self) -> bool:
        """Whether it can go elsewhere than to the next instruction."""
        return "pc" in self.writes

    @property
    def sets_flags(self) -> bool:
        return FLAGS in self.writes


def decode(line: Line) -> Instruction | None:
    """The instruction of a line of disassembly, or None for one that no timing is known of."""
    written, _, rest = line.code.partition(" ")
    mnemonic = split_mnemonic(written)
    if mnemonic is None:
        return None
    operands = _split(rest)
    kind = mnemonic.form.kind
    if "[" in rest and kind is not Kind.NOP:
        return _access(line, mnemonic, operands)
    if kind in _MULTIPLE:
        return _multiple(line, mnemonic, operands)
    if kind in (Kind.BRANCH, Kind.BRANCH_REGISTER):
        return _branch(line, mnemonic, operands, rest)
    if kind is Kind.FLOAT_MOVE and sum(_is_register(o) for o in operands) > 2:
        return _move_pair(line, mnemonic, operands)
    return _compute(line, mnemonic, operands)


_MULTIPLE = (
    Kind.LOAD_MULTIPLE,
    Kind.STORE_MULTIPLE,
    Kind.FLOAT_LOAD_MULTIPLE,
    Kind.FLOAT_STORE_MULTIPLE,
)


def _split(text: str) -> list[str]:
    """Operands, split at the commas outside brackets and braces."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += (character in "[{") - (character in "]}")
        if character == "," and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def _is_register(operand: str) -> bool:
    return _REGISTER.match(operand) is not None


def _registers(operand: str) -> list[str]:
    """The registers of an operand in one spelling; a double is the two floats in it."""
    name = operand.removesuffix("!")
    name = _ALIASES.get(name, name)
    if name[0] == "d":
        number = 2 * int(name[1:])
        return [f"s{number}", f"s{number + 1}"]
    return [name]


def _list(operand: str) -> list[str]:
    """The registers of {r0, r4-r6} or {d8-d9}."""
    found = []
    for item in operand.strip("{}").split(","):
        first, _, last = item.strip().partition("-")
        if not last:
            found += _registers(first)
            continue
        # A range counts the registers' numbers; objdump never gives one across aliases.
        low, high = _registers(first)[0], _registers(last)[-1]
        found += [f"{low[0]}{n}" for n in range(int(low[1:]), int(high[1:]) + 1)]
    return found


def _condition(mnemonic: Mnemonic) -> set[str]:
    reads_flags = mnemonic.condition is not None or mnemonic.name in _READ_CARRY
    return {FLAGS} if reads_flags or mnemonic.name.startswith("vsel") else set()


def _compute(line: Line, mnemonic: Mnemonic, operands: list[str]) -> Instruction:
    form, kind = mnemonic.form, mnemonic.form.kind
    shift = next((m[1] for o in operands if (m := _SHIFT.match(o))), None)
    registers = [o for o in operands if _is_register(o)]
    reads, writes = _condition(mnemonic), set()
    added: set[str] = set()
    shifted: set[str] = set()
    for part, operand in zip(_parts(form, operands, registers), registers, strict=False):
        names = _registers(operand)
        if part in "dDA":
            writes.update(names)
        if part != "d":
            reads.update(names)
        if part in "aA":
            added.update(names)
        if part == "e":
            shifted.update(names)
    if shift is not None and kind is Kind.ALU and registers:
        shifted.update(_registers(registers[-1]))
    if mnemonic.sets_flags or mnemonic.name == "vmrs":
        writes.add(FLAGS)
    return Instruction(
        line.address,
        line.size,
        mnemonic.name,
        kind,
        reads=frozenset(reads),
        writes=frozenset(writes),
        added=frozenset(added),
        shifted=frozenset(shifted),
        shift=shift,
        conditional=mnemonic.condition is not None,
    )


def _parts(form: Form, operands: list[str], registers: list[str]) -> str:
    """The parts of the registers: `adds r0, #1` and `adds r0, r1` read r0 too."""
    own = [o for o in operands if not _SHIFT.match(o)]
    if form.parts == "dnn" and len(own) == 2 and registers:
        return "D" + form.parts[2:]
    return form.parts


def _access(line: Line, mnemonic: Mnemonic, operands: list[str]) -> Instruction:
    form = mnemonic.form
    place = next(i for i, operand in enumerate(operands) if operand.startswith("["))
    moved = [name for operand in operands[:place] for name in _registers(operand)]
    inner = _split(operands[place].strip("[]!"))
    behind = operands[place + 1 :]
    base = _registers(inner[0])[0]
    index = [name for o in inner[1:] if _is_register(o) for name in _registers(o)]
    number = next((int(o[1:], 0) for o in inner[1:] if o.startswith("#")), 0)
    written_back = operands[place].endswith("!") or bool(behind)
    loads = "n" not in form.parts
    writes = set(moved) if loads else set()
    if mnemonic.form.kind is Kind.BRANCH_TABLE:
        writes = {"pc"}
    reads = {base, *index} | (set() if loads else set(moved)) | _condition(mnemonic)
    return Instruction(
        line.address,
        line.size,
        mnemonic.name,
        form.kind,
        reads=frozenset(reads),
        writes=frozenset(writes),
        address_registers=frozenset({base, *index}),
        data=frozenset() if loads else frozenset(moved),
        base=base if written_back else None,
        words=len(moved),
        access=form.access,
        offset=None if index else number,
        conditional=mnemonic.condition is not None,
    )


def _multiple(line: Line, mnemonic: Mnemonic, operands: list[str]) -> Instruction:
    kind = mnemonic.form.kind
    base = "sp" if len(operands) == 1 else _registers(operands[0])[0]
    written_back = len(operands) == 1 or operands[0].endswith("!")
    moved = frozenset(_list(operands[-1]))
    loads = kind in (Kind.LOAD_MULTIPLE, Kind.FLOAT_LOAD_MULTIPLE)
    reads = {base} | (set() if loads else set(moved)) | _condition(mnemonic)
    return Instruction(
        line.address,
        line.size,
        mnemonic.name,
        kind,
        reads=frozenset(reads),
        writes=moved if loads else frozenset(),
        address_registers=frozenset({base}),
        data=frozenset() if loads else moved,
        base=base if written_back else None,
        words=len(moved),
        access=4,
        conditional=mnemonic.condition is not None,
    )


def _branch(line: Line, mnemonic: Mnemonic, operands: list[str], rest: str) -> Instruction:
    registers = {n for o in operands if _is_register(o) for n in _registers(o)}
    label = _TARGET.match(operands[-1]) if operands else None
    writes = {"pc", "lr"} if mnemonic.name in ("bl", "blx") else {"pc"}
    return Instruction(
        line.address,
        line.size,
        mnemonic.name,
        mnemonic.form.kind,
        reads=frozenset(registers | _condition(mnemonic)),
        writes=frozenset(writes),
        conditional=mnemonic.condition is not None or mnemonic.name in ("cbz", "cbnz"),
        target=int(label[1], 16) if label else None,
    )


def _move_pair(line: Line, mnemonic: Mnemonic, operands: list[str]) -> Instruction:
    # Either two core registers or two floats come first; a double stands for two floats.
    first = 1 if operands[0].startswith("d") else 2
    return Instruction(
        line.address,
        line.size,
        mnemonic.name,
        Kind.FLOAT_MOVE_PAIR,
        reads=frozenset(
            {n for o in operands[first:] for n in _registers(o)} | _condition(mnemonic)
        ),
        writes=frozenset(n for o in operands[:first] for n in _registers(o)),
        conditional=mnemonic.condition is not None,
    )
