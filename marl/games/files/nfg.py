"""Gambit's strategic-form files (.nfg): the payoff version and the outcome version.

Source: the format as documented with Gambit 16 (www.gambit-project.org, "Representation of games: the strategic game
(.nfg) file format"). Profiles come with the first player's strategy running fastest. Numbers are read exactly, decimals
included.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from marl.errors import SolverError
from marl.games.files.gambit_tokens import Tokens, quoted
from marl.games.normal_form import MAX_PROFILES, NormalFormGame


def parse_nfg(text: str, source: str = "the text") -> NormalFormGame:
    """The game in the text of an .nfg file, exact; `source` names it in errors (SolverError)."""
    tokens = Tokens(text, source)
    _, players = tokens.prologue("NFG", "1")
    strategies = _strategies(tokens, len(players))
    tokens.text()  # a comment
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
    strategies: list[list[str]] = []
    profiles = 1
    while not tokens.sees("brace", "}"):
        if tokens.sees("brace", "{"):
            place, own = tokens.place, tokens.braced("text", "the strategies' names in quotes")
            if not own:
                tokens.fail_at(place, "expected at least one strategy in quotes, found none")
            unnamed = len(set(own)) < len(own)
            strategies.append([str(k + 1) for k in range(len(own))] if unnamed else own)
        else:
            place, size = tokens.place, tokens.whole("a number of strategies, whole and >= 1, or }", 1)
            profiles *= size
            if profiles > MAX_PROFILES:
                tokens.fail_at(place, f"{profiles} profiles are too many; at most {MAX_PROFILES} are allowed")
            strategies.append([str(k + 1) for k in range(size)])
    if len(strategies) != players:
        tokens.fail(f"strategies for {players} players (these are {len(strategies)}) before }}")
    tokens.take("brace", "}", expected="} after the strategies")
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
    most = len(outcomes) - 1
    expected = f"an outcome's number from 0 to {most} ({profiles} profiles)"
    return [outcomes[tokens.whole(expected, 0, most)] for _ in range(profiles)]


def format_nfg(game: NormalFormGame, title: str = "") -> str:
    """The game in the payoff version, with names; Fractions as p/q, floats in full."""
    kind = "R" if game.exact else "D"
    names = " ".join(f"{{ {quoted(own)} }}" for own in game.strategies)
    lines = [f"NFG 1 {kind} {quoted([title])} {{ {quoted(game.players)} }}", "", f"{{ {names} }}", ""]
    columns = [tensor.ravel(order="F").tolist() for tensor in game.payoffs]
    lines += [" ".join(str(value) for value in row) for row in zip(*columns, strict=True)]
    return "\n".join(lines) + "\n"
