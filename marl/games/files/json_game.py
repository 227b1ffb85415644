"""Games as JSON: {"players": [...], "strategies": [[...], ...], "payoffs": [a tensor per player]}.

Payoffs are numbers or fraction strings ("9/4"); whole numbers and strings make an exact game, one float a floating one.
Names are optional.
"""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

from marl.errors import SolverError
from marl.games.normal_form import NormalFormGame, Number

KEYS = {"players", "strategies", "payoffs"}
OPTIONAL = {"title", "comment"}


def parse_json(text: str, source: str = "the text") -> NormalFormGame:
    """The game in JSON text; `source` names it in errors (SolverError)."""
    try:
        held = json.loads(text)
    except json.JSONDecodeError as error:
        raise SolverError(f"{source}, line {error.lineno}: no JSON ({error.msg}); see the docs for the form") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
        raise SolverError(f"{source}: no game ({error}); see the docs for the form") from error
    if not isinstance(held, dict) or "payoffs" not in held:
        raise SolverError(f'{source}: expected an object with "payoffs" (and maybe "players" and "strategies")')
    unknown = set(held) - KEYS - OPTIONAL
    if unknown:
        raise SolverError(f"{source}: unknown keys {sorted(unknown)}; allowed are {sorted(KEYS | OPTIONAL)}")
    payoffs = held["payoffs"]
    if not isinstance(payoffs, list):
        raise SolverError(f'{source}: "payoffs" must be a list with one tensor per player')
    players, strategies = held.get("players"), held.get("strategies")
    if players is not None and not _names(players):
        raise SolverError(f'{source}: "players" must be a list of names, given {players!r}')
    if strategies is not None and not (isinstance(strategies, list) and all(_names(own) for own in strategies)):
        raise SolverError(f'{source}: "strategies" must be a list of names for each player, given {strategies!r}')
    try:
        return NormalFormGame(payoffs, players, strategies)
    except SolverError as error:
        raise SolverError(f"{source}: {error}") from error


def format_json(game: NormalFormGame) -> str:
    """The game as JSON text: fractions that are no whole numbers as strings."""
    payoffs = [_nested(tensor.tolist()) for tensor in game.payoffs]
    held = {"players": list(game.players), "strategies": [list(own) for own in game.strategies], "payoffs": payoffs}
    return json.dumps(held, indent=1) + "\n"


def number_to_json(value: Number) -> int | float | str:
    """A number as JSON holds it without loss: whole ones as they are, fractions as "9/4", floats as they are."""
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else str(value)
    return value


def _nested(part: Any) -> Any:
    return [_nested(one) for one in part] if isinstance(part, list) else number_to_json(part)


def _names(held: Any) -> bool:
    return isinstance(held, list) and all(isinstance(name, str) and _is_text(name) for name in held)


def _is_text(name: str) -> bool:
    """Whether the name can be written: JSON may hold halves of characters."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
