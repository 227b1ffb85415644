"""The pieces of Gambit's files (.nfg, .efg): quoted texts, braces, words; commas and line ends only separate.

A quote or a backslash within a text has a backslash before it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from typing import NoReturn

from marl.errors import SolverError
from marl.games.normal_form import exact_number

PIECE = re.compile(r'"(?:\\.|[^"\\])*"|[{}]|[^\s{},"]+|"', re.DOTALL)
"""A quoted text, a brace, a word, or a quote that is never closed; what is left between them only separates."""
KINDS = {'"': "text", "{": "brace", "}": "brace", "": "end"}
"""By the first character of a piece; all others are words."""


class Tokens:
    """The pieces of a file in order, with errors that name the line, what was expected and what stands there.

    A piece's kind is "text" (was quoted), "brace" or "word".
    """

    def __init__(self, text: str, source: str) -> None:
        self.source, self._next = source, 0
        # Files have millions of pieces: they are kept as they stand, with "" for the end.
        self._pieces: list[str] = [*PIECE.findall(text), ""]
        self._text = text
        self._numbers: dict[str, Fraction] = {}
        if '"' in self._pieces:
            self.fail_at(self._pieces.index('"'), 'expected a closing " before the end of the file')

    def sees(self, kind: str, text: str | None = None) -> bool:
        """Whether the next piece is of this kind (and text)."""
        piece = self._pieces[self._next]
        return KINDS.get(piece[:1], "word") == kind and (text is None or text == _content(piece))

    def peek(self) -> str:
        """The text of the next piece, "" at the end."""
        return _content(self._pieces[self._next])

    def take(self, kind: str, text: str | None = None, *, expected: str) -> str:
        """The next piece, which must be of this kind (and text)."""
        if not self.sees(kind, text):
            self.fail(expected)
        self._next += 1
        return _content(self._pieces[self._next - 1])

    def text(self) -> str:
        """The next piece where it is a text, "" where none stands there: labels and comments may be left out."""
        return self.take("text", expected="a text") if self.sees("text") else ""

    def number(self, expected: str) -> Fraction:
        """The next piece as a number: whole, decimal or "p/q"."""
        written = self._pieces[self._next]
        value = self._numbers.get(written)
        if value is None:
            try:
                value = self._numbers[written] = exact_number(written)
            except ValueError:
                self.fail(expected)
            except SolverError as error:
                self.fail_at(self.place, str(error))
        self._next += 1
        return value

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
        start, players = self.place, self.braced("text", "the players' names in quotes")
        if not players or len(set(players)) < len(players):
            self.fail_at(start, f"expected one player or more, each with a name of its own, found {players}")
        return title, players

    def whole(self, expected: str, least: int, most: int | None = None) -> int:
        """The next piece as a whole number from `least` (to `most`)."""
        at = self._next
        number = self.number(expected)
        value = number.numerator
        if number.denominator != 1 or value < least or (most is not None and value > most):
            self._next = at
            self.fail(expected)
        return value

    @property
    def place(self) -> int:
        """How many pieces came before the next one; `line_of` tells the line."""
        return self._next

    def line_of(self, place: int) -> int:
        """The line on which the piece after so many others starts, the last line for the end of the file."""
        return self._lines[place]

    @cached_property
    def _lines(self) -> list[int]:
        starts = [found.start() for found in PIECE.finditer(self._text)]
        line_ends = [found.start() for found in re.finditer("\n", self._text)]
        return [1 + bisect_left(line_ends, start) for start in (*starts, len(self._text))]

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return self._pieces[self._next] == ""

    def fail(self, expected: str) -> NoReturn:
        """SolverError at the next piece."""
        found = "the end of the file" if self.ended else repr(self.peek())
        self.fail_at(self.place, f"expected {expected}, found {found}")

    def fail_at(self, place: int, what: str) -> NoReturn:
        """SolverError that says `what` is wrong with the piece after so many others."""
        raise SolverError(f"{self.source}, line {self.line_of(place)}: {what}")


def _content(piece: str) -> str:
    if piece[:1] != '"':
        return piece
    return re.sub(r"\\(.)", r"\1", piece[1:-1], flags=re.DOTALL) if "\\" in piece else piece[1:-1]


def quoted(names: Sequence[str]) -> str:
    """The names as texts, each in quotes, with spaces between."""
    return " ".join('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names)
