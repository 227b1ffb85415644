"""Pieces of sentences: numbers that are remembered as they are said, names, quotes and lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isclose
from typing import Any

import numpy as np

Sentence = dict[str, Any]
"""{"text": a sentence, "numbers": {name: value}}: every number in the text is one of `numbers`, rounded for reading."""


class Numbers:
    """Collects the numbers of one sentence while its text is put together."""

    def __init__(self) -> None:
        self.named: dict[str, int | float] = {}

    def __call__(self, name: str, value: int | float) -> str:
        """The value as text, remembered under `name`."""
        self.named[name] = value
        return number(value)

    def share(self, name: str, value: float) -> str:
        """A share as per cent; only what is all is called 100%."""
        self.named[name] = value
        percent = round(100 * value, 10)
        if 99.99 < percent < 100:
            decimals = len(number(100 - percent).partition(".")[2])
            return f"{percent:.{decimals}f}%"
        return f"{number(percent)}%"

    def count(self, name: str, value: int, noun: str, plural: str = "") -> str:
        """So many of a noun, in the plural that English asks for."""
        return f"{self(name, value)} {noun if value == 1 else plural or noun + 's'}"

    def sentence(self, text: str) -> Sentence:
        """The text with all numbers said so far."""
        return {"text": text, "numbers": self.named}


def number(value: int | float) -> str:
    """A number as the summary shows it: whole as it is, else two decimals, small ones with two digits that matter.

    Very small and very large ones are in powers of ten: 1.3e-9, 4e18.
    """
    if value and not 1e-6 <= abs(value) < 1e15:
        digits, _, exponent = f"{value:.1e}".partition("e")
        return f"{digits.removesuffix('.0')}e{int(exponent)}"
    if value == round(value):
        return str(round(value))
    if abs(value) >= 0.1:
        return f"{value:.2f}"
    return np.format_float_positional(value, precision=2, fractional=False, trim="-")


def name(text: str) -> str:
    """A name as it stands in a sentence: in quotes unless it is an identifier."""
    return text if text.isidentifier() else quoted(text)


def quoted(text: str) -> str:
    """The text in curly quotes."""
    return f"“{text}”"


def play(players: Sequence[str], strategies: Sequence[Sequence[str]], profile: Sequence[int]) -> str:
    """A profile of strategy indices by names: (row “stag”, column “hare”)."""
    rows = zip(players, strategies, profile, strict=True)
    return f"({', '.join(f'{name(player)} {quoted(own[s])}' for player, own, s in rows)})"


def tied_masses(found: Mapping[str, Any]) -> int:
    """How many profiles alpha-rank (the field of the record) gives as much as the first one."""
    first, *rest = (one["mass"] for one in found["masses"])
    return sum(isclose(mass, first, rel_tol=1e-9) for mass in rest)


def listed(items: Iterable[str], word: str = "and") -> str:
    """`a, b and c`."""
    parts = list(items)
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"
