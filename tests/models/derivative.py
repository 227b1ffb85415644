"""Regular expressions as trees, and what may come next in them by Brzozowski's derivatives: the slow truth.

A tree is a tuple: ("set", characters, negated), ("cat", a, b), ("or", a, b), ("star", a), ("empty",) or ("never",).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hypothesis import strategies as st

EMPTY, NEVER = ("empty",), ("never",)
CHARACTERS = "abc é✓\n"


def char(letters: str, negated: bool = False) -> tuple:
    return ("set", frozenset(letters), negated)


def cat(a: tuple, b: tuple) -> tuple:
    if NEVER in (a, b):
        return NEVER
    return b if a == EMPTY else a if b == EMPTY else ("cat", a, b)


def either(a: tuple, b: tuple) -> tuple:
    return b if a in (NEVER, b) else a if b == NEVER else ("or", a, b)


def pattern(tree: tuple) -> str:
    """The tree in the syntax of `re`."""
    match tree:
        case ("set", letters, negated):
            return f"[{'^' * negated}{re.escape(''.join(sorted(letters)))}]"
        case ("cat", a, b):
            return pattern(a) + pattern(b)
        case ("or", a, b):
            return f"(?:{pattern(a)}|{pattern(b)})"
        case ("star", a):
            return f"(?:{pattern(a)})*"
    return "(?:)"


def nullable(tree: tuple) -> bool:
    match tree:
        case ("cat", a, b):
            return nullable(a) and nullable(b)
        case ("or", a, b):
            return nullable(a) or nullable(b)
    return tree[0] in ("star", "empty")


def after(tree: tuple, letter: str) -> tuple:
    """What may follow `letter`."""
    match tree:
        case ("set", letters, negated):
            return EMPTY if (letter in letters) != negated else NEVER
        case ("cat", a, b):
            rest = cat(after(a, letter), b)
            return either(rest, after(b, letter)) if nullable(a) else rest
        case ("or", a, b):
            return either(after(a, letter), after(b, letter))
        case ("star", a):
            return cat(after(a, letter), tree)
    return NEVER


def possible(tree: tuple, barred: str) -> bool:
    """Whether some text without `barred` matches."""
    match tree:
        case ("set", letters, negated):
            return negated or bool(letters - {barred})
        case ("cat", a, b):
            return possible(a, barred) and possible(b, barred)
        case ("or", a, b):
            return possible(a, barred) or possible(b, barred)
    return tree != NEVER


def begins(tree: tuple, said: bytes, barred: str) -> bool:
    """Whether a text without `barred` that matches begins with the bytes `said`, which may end inside a character."""
    whole, half = _split(said)
    for letter in whole:
        tree = NEVER if letter == barred else after(tree, letter)
    if not half:
        return possible(tree, barred)
    return any(possible(after(tree, letter), barred) for letter in _characters(half))


def matches(tree: tuple, said: bytes) -> bool:
    whole, half = _split(said)
    for letter in whole:
        tree = after(tree, letter)
    return nullable(tree) and not half


def _split(said: bytes) -> tuple[str, bytes]:
    for count in range(min(4, len(said) + 1)):
        try:
            return said[: len(said) - count].decode(), said[len(said) - count :]
        except UnicodeDecodeError:
            continue
    return "", b"\xff"


def _characters(half: bytes) -> Iterable[str]:
    """Those of CHARACTERS that begin with the bytes `half`, and one other: all others are alike to a pattern."""
    named = [letter for letter in CHARACTERS if letter.encode().startswith(half)]
    for second in (b"\xbf", b"\x9f", b"\x8f", b""):
        for rest in (b"", b"\xbf", b"\xbf\xbf"):
            try:
                other = (half + second + rest).decode()
            except UnicodeDecodeError:
                continue
            if len(other) == 1 and other not in CHARACTERS:
                return [*named, other]
    return named


sets = st.builds(char, st.text(st.sampled_from(CHARACTERS), min_size=1, max_size=3), st.booleans())
trees = st.recursive(
    sets | st.just(EMPTY),
    lambda inner: (
        st.builds(lambda a, b: ("cat", a, b), inner, inner)
        | st.builds(lambda a, b: ("or", a, b), inner, inner)
        | st.builds(lambda a: ("star", a), inner)
    ),
    max_leaves=8,
)
"""Random expressions over CHARACTERS and their complements."""
