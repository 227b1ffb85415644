"""Gambit's strategic-form files (.nfg): the payoff version and the outcome version.

Source: the format as documented with Gambit 16 (www.gambit-project.org, "Representation of games: the strategic game
(.nfg) file format"). Profiles come with the first player's strategy running fastest. Numbers are read exactly, decimals
included.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

import numpy as np

from marl.errors import SolverError
from marl.games.normal_form import MAX_PROFILES, NormalFormGame

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
            quoted, brace, word, open_quote = found.groups()
            if open_quote:
                raise SolverError(f'{source}, line {line}: expected a closing " before the end of the file')
            for kind, value in (("text", quoted), ("brace", brace), ("word", word)):
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

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return self._next == len(self._tokens)

    def fail(self, expected: str) -> NoReturn:
        """SolverError at the next piece."""
        if self.ended:
            raise SolverError(f"{self.source}, line {self._last}: expected {expected}, found the end of the file")
        token = self._tokens[self._next]
        raise SolverError(f"{self.source}, line {token.line}: expected {expected}, found {token.text!r}")


def parse_nfg(text: str, source: str = "the text") -> NormalFormGame:
    """The game in the text of an .nfg file, exact; `source` names it in errors (SolverError)."""
    tokens = Tokens(text, source)
    tokens.take("word", "NFG", expected="NFG at the start")
    tokens.take("word", "1", expected="version 1 after NFG")
    if not (tokens.sees("word", "R") or tokens.sees("word", "D")):
        tokens.fail("R (rational) or D (decimal) after the version")
    tokens.take("word", expected="R or D")
    tokens.take("text", expected="the title in quotes")
    players = tokens.braced("text", "the players' names in quotes")
    strategies = _strategies(tokens, len(players))
    if tokens.sees("text"):
        tokens.take("text", expected="a comment")
    shape = tuple(len(own) for own in strategies)
    profiles = math.prod(shape)
    if profiles > MAX_PROFILES:
        raise SolverError(f"{source}: {profiles} profiles are too many; at most {MAX_PROFILES} are allowed")
    rows = _outcomes(tokens, len(players), profiles) if tokens.sees("brace", "{") else None
    if rows is None:
        expected = f"a payoff ({profiles} profiles times {len(players)} players)"
        rows = [[tokens.number(expected) for _ in players] for _ in range(profiles)]
    if not tokens.ended:
        tokens.fail("the end of the file after the last payoff")
    flat = np.empty((profiles, len(players)), dtype=object)
    flat[:] = rows
    payoffs = np.stack([column.reshape(shape, order="F") for column in flat.T])
    return NormalFormGame(payoffs, players, strategies)


def _strategies(tokens: Tokens, players: int) -> list[list[str]]:
    """Either the numbers of strategies, `{ 2 3 }`, or their names, `{ { "a" "b" } { "c" "d" "e" } }`."""
    tokens.take("brace", "{", expected="{ before the strategies")
    strategies = []
    while not tokens.sees("brace", "}"):
        if tokens.sees("brace", "{"):
            own = tokens.braced("text", "the strategies' names in quotes")
            unnamed = len(set(own)) < len(own)
            strategies.append([str(k + 1) for k in range(len(own))] if unnamed else own)
        else:
            size = tokens.number("a number of strategies or }")
            if size.denominator != 1 or not 1 <= size <= MAX_PROFILES:
                raise SolverError(f"{tokens.source}: a number of strategies must be whole and >= 1; given {size}")
            strategies.append([str(k + 1) for k in range(int(size))])
    if len(strategies) != players:
        tokens.fail(f"strategies for {players} players (these are {len(strategies)}) before }}")
    tokens.take("brace", "}", expected="} after the strategies")
    if any(not own for own in strategies):
        raise SolverError(f"{tokens.source}: every player needs at least one strategy")
    return strategies


def _outcomes(tokens: Tokens, players: int, profiles: int) -> list[list[Fraction]]:
    """The outcome version: payoffs of named outcomes, then each profile's outcome, 0 for none (payoffs 0)."""
    tokens.take("brace", "{", expected="{ before the outcomes")
    outcomes = [[Fraction(0)] * players]
    while not tokens.sees("brace", "}"):
        tokens.take("brace", "{", expected="{ before an outcome, or } after the last")
        tokens.take("text", expected="the outcome's name in quotes")
        outcomes.append([tokens.number(f"a payoff of the outcome ({players} players)") for _ in range(players)])
        tokens.take("brace", "}", expected="} after the outcome's payoffs")
    tokens.take("brace", "}", expected="} after the outcomes")
    rows = []
    for _ in range(profiles):
        expected = f"an outcome's number from 0 to {len(outcomes) - 1} ({profiles} profiles)"
        number = tokens.number(expected)
        if number.denominator != 1 or not 0 <= number < len(outcomes):
            raise SolverError(f"{tokens.source}: expected {expected}, found {number}")
        rows.append(outcomes[int(number)])
    return rows


def format_nfg(game: NormalFormGame, title: str = "") -> str:
    """The game in the payoff version, with names; Fractions as p/q, floats in full."""
    kind = "R" if game.exact else "D"
    names = " ".join(f"{{ {_quoted(own)} }}" for own in game.strategies)
    lines = [f"NFG 1 {kind} {_quoted([title])} {{ {_quoted(game.players)} }}", "", f"{{ {names} }}", ""]
    columns = [tensor.ravel(order="F").tolist() for tensor in game.payoffs]
    lines += [" ".join(str(value) for value in row) for row in zip(*columns, strict=True)]
    return "\n".join(lines) + "\n"


def _quoted(names: Sequence[str]) -> str:
    return " ".join('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names)
