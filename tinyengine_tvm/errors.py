# SPDX-License-Identifier: Apache-2.0
"""Errors that a user can cause; the command line prints them in one line and exits with code 2."""

from __future__ import annotations


class TinyEngineError(Exception):
    """A problem in what the user gave us. The message names the cause and the cure in one line."""


class ModelError(TinyEngineError):
    """The model file is damaged, or it isn't a quantised network that this compiler takes."""


class UnsupportedOperators(ModelError):
    """Operators that no kernel implements; `operators` lists every one of the model."""

    def __init__(self, operators: list[str], advice: str = "") -> None:
        self.operators = list(operators)
        count = len(self.operators)
        noun = "operator" if count == 1 else "operators"
        message = f"{count} unsupported {noun}: " + "; ".join(self.operators)
        super().__init__(message + (f". {advice}" if advice else ""))


class BoardError(TinyEngineError):
    """A board is unknown, its tools are missing, or the program failed on it."""


class BudgetError(TinyEngineError):
    """The network doesn't fit the SRAM or flash that it may take."""
