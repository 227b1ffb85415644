"""The pieces of Gambit's files (.nfg, .efg): quoted texts, braces, words; commas and line ends only separate.

A quote or a backslash within a text has a backslash before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

from marl.errors import SolverError

TOKEN = re.compile(r'"((?:\\.|[^"\\])*)"|([{}])|([^\s{},"]+)|[\s,]+|(")', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of the file: kind "text" (was quoted), "brace" or "word"; the line it starts on."""

    kind: str
    text: str
    line: int


class Tokens:
    """The pieces of a file in order, with errors that name the line, what was expected and what stands there."""

    def __init__(self, text: str, source: str) -> None:
        self.source, self._next, self._tokens = source, 0, []
        line = 1
        for found in TOKEN.finditer(text):
            label, brace, word, open_quote = found.groups()
            if open_quote:
                raise SolverError(f'{source}, line {line}: expected a closing " before the end of the file')
            for kind, value in (("text", label), ("brace", brace), ("word", word)):
                if value is not None:
                    self._tokens.append(Token(kind, re.sub(r"\\(.)", r"\1", value), line))
            line += found.group().count("\n")
        self._last = line

    def sees(self, kind: str, text: str | None = None) -> bool:
        """Whether the next piece is of this kind (and text)."""
        if self._next == len(self._tokens):
            return False
        token = self._tokens[self._next]
        return token.kind == kind and text in (None, token.text)

    def peek(self) -> str:
        """The text of the next piece, "" at the end."""
        return "" if self.ended else self._tokens[self._next].text

    def take(self, kind: str, text: str | None = None, *, expected: str) -> str:
        """The next piece, which must be of this kind (and text)."""
        if not self.sees(kind, text):
            self.fail(expected)
        self._next += 1
        return self._tokens[self._next - 1].text

    def number(self, expected: str) -> Fraction:
        """The next piece as a number: whole, decimal or "p/q"."""
        if self.sees("word"):
            try:
                value = Fraction(self._tokens[self._next].text)
            except (ValueError, ZeroDivisionError):
                self.fail(expected)
            self._next += 1
            return value
        self.fail(expected)

    def braced(self, kind: str, expected: str) -> list[str]:
        """The pieces of one kind between braces."""
        self.take("brace", "{", expected=f"{{ before {expected}")
        held = []
        while not self.sees("brace", "}"):
            held.append(self.take(kind, expected=f"{expected} or }}"))
        self._next += 1
        return held

    def prologue(self, kind: str, version: str) -> tuple[str, list[str]]:
        """The start of a file of this kind and version: its title, and the players' names."""
        self.take("word", kind, expected=f"{kind} at the start")
        self.take("word", version, expected=f"version {version} after {kind}")
        if not (self.sees("word", "R") or self.sees("word", "D")):
            self.fail("R (rational) or D (decimal) after the version")
        self.take("word", expected="R or D")
        title = self.take("text", expected="the title in quotes")
        return title, self.braced("text", "the players' names in quotes")

    def whole(self, expected: str, least: int, most: int | None = None) -> int:
        """The next piece as a whole number from `least` (to `most`)."""
        at = self._next
        value = self.number(expected)
        if value.denominator != 1 or value < least or (most is not None and value > most):
            self._next = at
            self.fail(expected)
        return int(value)

    @property
    def line(self) -> int:
        """The line of the next piece, the last one at the end."""
        return self._last if self.ended else self._tokens[self._next].line

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return self._next == len(self._tokens)

    def fail(self, expected: str) -> NoReturn:
        """SolverError at the next piece."""
        found = "the end of the file" if self.ended else repr(self._tokens[self._next].text)
        raise SolverError(f"{self.source}, line {self.line}: expected {expected}, found {found}")


def quoted(names: Sequence[str]) -> str:
    """The names as texts, each in quotes, with spaces between."""
    return " ".join('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names)
