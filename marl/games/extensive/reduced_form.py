"""The reduced normal form of a game tree: strategies that differ only where their own moves never lead are one.

Source: Kuhn 1953; von Stengel 1996, section 3. Every solution concept of `marl.games` then applies.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from marl.errors import SolverError
from marl.games import normal_form
from marl.games.extensive.game import ExtensiveGame
from marl.games.limits import TIME_LIMIT, Deadline
from marl.games.normal_form import NormalFormGame

MAX_PROFILES = 100_000
MAX_ENTRIES = 2_000_000
"""Strategies times information sets, of all players: what it takes to list the strategies."""

UNREACHED, NOTHING = "*", "nothing to choose"


def strategy_counts(game: ExtensiveGame) -> tuple[int, ...]:
    """How many reduced pure strategies each player has; counted, not listed."""
    counts = []
    for own, size in zip(game.information_sets, game.sequence_counts, strict=True):
        ways = [1] * size
        for one in reversed(own):
            ways[one.parent] *= sum(ways[one.sequences])
        counts.append(ways[0])
    return tuple(counts)


def reduced_strategies(game: ExtensiveGame, player: int) -> list[tuple[int | None, ...]]:
    """All reduced pure strategies: an action for each information set, None where the own moves never lead.

    In lexicographic order. Their number grows exponentially: ask `strategy_counts` first.
    """
    sets = game.information_sets[player]
    found = []
    # What was chosen so far, and the own sequences that it plays.
    stack: list[tuple[tuple[int | None, ...], frozenset[int]]] = [((), frozenset({0}))]
    while stack:
        chosen, played = stack.pop()
        if len(chosen) == len(sets):
            found.append(chosen)
            continue
        one = sets[len(chosen)]
        if one.parent not in played:
            stack.append(((*chosen, None), played))
            continue
        ahead = reversed(range(len(one.actions)))
        stack += [((*chosen, action), played | {one.first + action}) for action in ahead]
    return found


def strategy_names(game: ExtensiveGame, player: int) -> list[str]:
    """A name for each reduced strategy: its actions, information set by information set, "*" where it never gets."""
    sets = game.information_sets[player]
    rows = reduced_strategies(game, player)
    names = [
        ", ".join(UNREACHED if a is None else one.actions[a] for a, one in zip(row, sets, strict=True)) or NOTHING
        for row in rows
    ]
    return names if len(set(names)) == len(names) else [f"{k}: {name}" for k, name in enumerate(names)]


def reduced_normal_form(
    game: ExtensiveGame, *, max_profiles: int = MAX_PROFILES, time_limit: float = TIME_LIMIT
) -> NormalFormGame:
    """The game with whole plans as strategies, named by `strategy_names`; exact where the tree is.

    Raises SolverError above `max_profiles` profiles (never more than a NormalFormGame may have), and after `time_limit`
    seconds.
    """
    _check_size(game, min(max_profiles, normal_form.MAX_PROFILES))
    deadline = Deadline(time_limit)
    plans = [_plans(game, player) for player in range(len(game.players))]
    weights, scale = _weights(game)
    tensor = np.zeros((len(plans), *(len(own) for own in plans)), dtype=weights.dtype)
    for row, weight in zip(game.leaf_sequences.tolist(), weights.T, strict=True):
        deadline.check("the reduced normal form")
        # The profiles that come to this end unless chance keeps them from it.
        block = np.ix_(*(np.flatnonzero(own[:, s]) for own, s in zip(plans, row, strict=True)))
        for own, value in zip(tensor, weight, strict=True):
            own[block] += value
    if game.exact:
        values, places = np.unique(tensor, return_inverse=True)
        fractions = np.empty(len(values), dtype=object)
        fractions[:] = [Fraction(int(value), scale) for value in values]
        tensor = fractions[places].reshape(tensor.shape)
    names = [strategy_names(game, player) for player in range(len(game.players))]
    return NormalFormGame(tensor, game.players, names)


def normal_form_fits(game: ExtensiveGame, max_profiles: int = MAX_PROFILES) -> bool:
    """Whether the reduced normal form has at most `max_profiles` profiles, and its strategies can be listed."""
    return math.prod(strategy_counts(game)) <= max_profiles and _entries(game) <= MAX_ENTRIES


def _check_size(game: ExtensiveGame, max_profiles: int) -> None:
    """SolverError, in words, where `normal_form_fits` is false."""
    if normal_form_fits(game, max_profiles):
        return
    counts = strategy_counts(game)
    each, advice = " x ".join(map(_size, counts)), "Solve the tree itself, or a smaller one"
    if math.prod(counts) > max_profiles:
        raise SolverError(
            f"the reduced normal form has {each} = {_size(math.prod(counts))} profiles; at most {max_profiles} are "
            f"allowed. {advice}"
        )
    raise SolverError(
        f"the reduced normal form has {each} strategies with {_size(_entries(game))} actions in all; at most "
        f"{MAX_ENTRIES} are listed. {advice}"
    )


def _entries(game: ExtensiveGame) -> int:
    counts = zip(strategy_counts(game), game.information_sets, strict=True)
    return sum(count * len(own) for count, own in counts)


def _plans(game: ExtensiveGame, player: int) -> np.ndarray:
    """[strategies, sequences]: which sequences a strategy plays."""
    rows = reduced_strategies(game, player)
    plans = np.zeros((len(rows), game.sequence_counts[player]), dtype=bool)
    plans[:, 0] = True
    for k, row in enumerate(rows):
        for action, one in zip(row, game.information_sets[player], strict=True):
            if action is not None:
                plans[k, one.first + action] = True
    return plans


def _weights(game: ExtensiveGame) -> tuple[np.ndarray, int]:
    """[players, leaves]: chance times payoff; of an exact game in whole numbers, all times the second value."""
    weights = game.leaf_chance * game.leaf_payoffs
    if not game.exact:
        return weights, 1
    scale = math.lcm(*{weight.denominator for weight in weights.flat})
    whole = (weights * scale).astype(object)
    whole[:] = [[int(value) for value in own] for own in whole]
    small = max(sum(map(abs, own)) for own in whole) < 2**62
    return whole.astype(np.int64) if small else whole, scale


def _size(count: int) -> str:
    return str(count) if count < 10**9 else f"about 10^{round(math.log10(count))}"
