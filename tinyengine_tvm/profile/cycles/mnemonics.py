# SPDX-License-Identifier: Apache-2.0
"""Thumb-2 mnemonics by kind, with the part that each register operand plays.

Parts: d is written; n is read; e is read and shifted, extended or extracted from on the way; a is
added to a product or to an extended value; D and A are written as well as n and a.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """Instructions that every timing model treats alike."""

    ALU = "arithmetic, logic, moves, comparisons"
    SHIFT = "shifts and rotations"
    EXTEND = "sign and zero extension"
    EXTEND_SIMD = "extension of two bytes"
    EXTEND_ADD = "extension and addition"
    PACK = "packing halfwords"
    REVERSE = "reversal of bytes or bits"
    BITFIELD = "bit fields"
    COUNT = "leading zeroes"
    SATURATE = "saturation"
    SIMD = "parallel and saturating addition"
    MULTIPLY = "multiplication"
    ACCUMULATE = "multiplication and accumulation"
    LONG_MULTIPLY = "multiplication to 64 bits"
    LONG_ACCUMULATE = "multiplication and accumulation to 64 bits"
    DIVIDE = "division"
    LOAD = "load of one register"
    LOAD_PAIR = "LDRD"
    LOAD_MULTIPLE = "LDM, POP"
    STORE = "store of one register"
    STORE_PAIR = "STRD"
    STORE_MULTIPLE = "STM, PUSH"
    BRANCH = "branches to a label"
    BRANCH_REGISTER = "branches to a register's value"
    BRANCH_TABLE = "TBB, TBH"
    IT = "IT"
    NOP = "NOP, PLD"
    SYSTEM = "special registers and barriers"
    FLOAT = "float arithmetic, comparison, conversion"
    FLOAT_ACCUMULATE = "float multiplication and accumulation"
    FLOAT_DIVIDE = "float division and square root"
    FLOAT_MOVE = "VMOV of one register"
    FLOAT_MOVE_PAIR = "VMOV of two registers"
    FLOAT_STATUS = "VMRS, VMSR"
    FLOAT_LOAD = "VLDR"
    FLOAT_LOAD_MULTIPLE = "VLDM, VPOP"
    FLOAT_STORE = "VSTR"
    FLOAT_STORE_MULTIPLE = "VSTM, VPUSH"


FLOAT_KINDS = frozenset(kind for kind in Kind if kind.name.startswith("FLOAT"))


@dataclass(frozen=True)
class Form:
    """A mnemonic's kind, the parts of its register operands, and whether it can end in S."""

    kind: Kind
    parts: str
    may_set_flags: bool = False
    access: int = 4
    """Bytes of a load or store of one register."""


_HALVES = ("bb", "bt", "tb", "tt")
_LANES = ("add16", "add8", "asx", "sax", "sub16", "sub8")


def _forms() -> dict[str, Form]:
    table: dict[str, Form] = {}

    def add(kind: Kind, parts: str, names: str, flags: bool = False, access: int = 4) -> None:
        for name in names.split():
            table[name] = Form(kind, parts, flags, access)

    add(Kind.ALU, "dnn", "add sub adc sbc rsb and orr eor bic orn", flags=True)
    add(Kind.ALU, "dnn", "addw subw")
    add(Kind.ALU, "dn", "mov mvn neg", flags=True)
    add(Kind.ALU, "d", "movw adr")
    add(Kind.ALU, "D", "movt")
    add(Kind.ALU, "nn", "cmp cmn tst teq")
    add(Kind.SHIFT, "dnn", "lsl lsr asr ror", flags=True)
    add(Kind.SHIFT, "dn", "rrx", flags=True)
    add(Kind.EXTEND, "de", "sxtb sxth uxtb uxth")
    add(Kind.EXTEND_SIMD, "de", "sxtb16 uxtb16")
    add(Kind.EXTEND_ADD, "dae", "sxtab sxtah sxtab16 uxtab uxtah uxtab16")
    add(Kind.PACK, "dne", "pkhbt pkhtb")
    add(Kind.REVERSE, "de", "rev rev16 revsh rbit")
    add(Kind.BITFIELD, "de", "ubfx sbfx")
    add(Kind.BITFIELD, "De", "bfi bfc")
    add(Kind.COUNT, "dn", "clz")
    add(Kind.SATURATE, "de", "ssat usat ssat16 usat16")
    lanes = " ".join(f"{sign}{lane}" for sign in "s sh q u uh uq".split() for lane in _LANES)
    add(Kind.SIMD, "dnn", lanes + " sel usad8 qadd qsub qdadd qdsub")
    add(Kind.SIMD, "dnna", "usada8")

    halves = " ".join(_HALVES)
    add(Kind.MULTIPLY, "dnn", "mul", flags=True)
    add(Kind.MULTIPLY, "dnn", "smmul smmulr smuad smuadx smusd smusdx smulwb smulwt")
    add(Kind.MULTIPLY, "dnn", " ".join(f"smul{h}" for h in halves.split()))
    add(Kind.ACCUMULATE, "dnna", "mla mls smmla smmlar smmls smmlsr smlad smladx smlsd smlsdx")
    add(Kind.ACCUMULATE, "dnna", "smlawb smlawt " + " ".join(f"smla{h}" for h in halves.split()))
    add(Kind.LONG_MULTIPLY, "ddnn", "smull umull")
    add(Kind.LONG_ACCUMULATE, "AAnn", "smlal umlal umaal smlald smlaldx smlsld smlsldx")
    add(Kind.LONG_ACCUMULATE, "AAnn", " ".join(f"smlal{h}" for h in halves.split()))
    add(Kind.DIVIDE, "dnn", "sdiv udiv")

    add(Kind.LOAD, "d", "ldr ldrt ldrex")
    add(Kind.LOAD, "d", "ldrh ldrsh ldrht ldrsht ldrexh", access=2)
    add(Kind.LOAD, "d", "ldrb ldrsb ldrbt ldrsbt ldrexb", access=1)
    add(Kind.LOAD_PAIR, "dd", "ldrd")
    add(Kind.LOAD_MULTIPLE, "", "ldm ldmia ldmdb pop")
    add(Kind.STORE, "n", "str strt")
    add(Kind.STORE, "n", "strh strht", access=2)
    add(Kind.STORE, "n", "strb strbt", access=1)
    add(Kind.STORE_PAIR, "nn", "strd")
    add(Kind.STORE_MULTIPLE, "", "stm stmia stmdb push")

    add(Kind.BRANCH, "", "b bl")
    add(Kind.BRANCH, "n", "cbz cbnz")
    add(Kind.BRANCH_REGISTER, "n", "bx blx")
    add(Kind.BRANCH_TABLE, "", "tbb tbh")
    pattern = [""] + [a for n in (1, 2, 3) for a in _words("te", n)]
    add(Kind.IT, "", " ".join("it" + letters for letters in pattern))
    add(Kind.NOP, "", "nop pld pldw pli")
    add(Kind.SYSTEM, "d", "mrs")
    add(Kind.SYSTEM, "n", "msr")
    add(Kind.SYSTEM, "", "dsb dmb isb clrex cpsid cpsie sev wfe wfi yield csdb")

    add(Kind.FLOAT, "dnn", "vadd vsub vmul vnmul vmaxnm vminnm vseleq vselge vselgt vselvs")
    add(Kind.FLOAT, "dn", "vabs vneg vcvt vcvtr vcvtb vcvtt vcvta vcvtn vcvtp vcvtm")
    add(Kind.FLOAT, "dn", "vrinta vrintn vrintp vrintm vrintx vrintz vrintr")
    add(Kind.FLOAT, "nn", "vcmp vcmpe")
    add(Kind.FLOAT_ACCUMULATE, "Ann", "vmla vmls vnmla vnmls vfma vfms vfnma vfnms")
    add(Kind.FLOAT_DIVIDE, "dnn", "vdiv")
    add(Kind.FLOAT_DIVIDE, "dn", "vsqrt")
    add(Kind.FLOAT_MOVE, "dn", "vmov")
    add(Kind.FLOAT_STATUS, "dn", "vmrs vmsr")
    add(Kind.FLOAT_LOAD, "d", "vldr")
    add(Kind.FLOAT_STORE, "n", "vstr")
    add(Kind.FLOAT_LOAD_MULTIPLE, "", "vldm vldmia vldmdb vpop")
    add(Kind.FLOAT_STORE_MULTIPLE, "", "vstm vstmia vstmdb vpush")
    return table


def _words(letters: str, length: int) -> list[str]:
    if length == 0:
        return [""]
    return [letter + rest for letter in letters for rest in _words(letters, length - 1)]


FORMS = _forms()
CONDITIONS = frozenset("eq ne cs hs cc lo mi pl vs vc hi ls ge lt gt le".split())


@dataclass(frozen=True)
class Mnemonic:
    """A mnemonic taken apart: what stands in FORMS, whether it sets flags, its condition."""

    name: str
    form: Form
    sets_flags: bool
    condition: str | None


def split_mnemonic(written: str) -> Mnemonic | None:
    """Takes `addseq.w` apart; None for what no timing is known of.

    The longest name of FORMS wins: bics is BIC that sets flags, mls is no ML under condition LS.
    """
    bare = written.partition(".")[0]
    for end in (len(bare), len(bare) - 2):
        condition = bare[end:] or None
        if condition is not None and condition not in CONDITIONS:
            continue
        name = bare[:end]
        if name in FORMS:
            compares = FORMS[name].parts == "nn" and FORMS[name].kind in (Kind.ALU, Kind.FLOAT)
            return Mnemonic(name, FORMS[name], compares, condition)
        plain = FORMS.get(name[:-1])
        if name.endswith("s") and plain is not None and plain.may_set_flags:
            return Mnemonic(name[:-1], plain, True, condition)
    return None
