"""Behavior strategies: what they pay, the best answer to them, and how far they are from equilibrium, all exactly.

A behavior strategy draws at every information set of its player, independently. A profile holds, for each player and
each of its information sets, in the order of `ExtensiveGame.information_sets`, a distribution over the actions (or the
index of one that is played for sure).

The realization plan of a strategy ([sequences]) holds for each sequence the product of the player's own probabilities
along it. Since payoffs are linear in every player's plan, nothing here walks the tree. Source: von Stengel 1996,
"Efficient computation of behavior strategies"; NashConv: Lanctot et al. 2017, arXiv:1711.00832.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from marl.errors import SolverError
from marl.games.extensive.game import ExtensiveGame
from marl.games.normal_form import Number, as_distribution

Behavior = Sequence[Any]
"""For each information set of one player, a distribution over its actions, or an index."""


@dataclass(frozen=True, slots=True)
class BestResponse:
    """What a player can get at most, and one action for each of its information sets that gets it."""

    value: Number
    actions: tuple[int, ...]


def uniform_profile(game: ExtensiveGame) -> list[list[np.ndarray]]:
    """The profile in which every action of an information set is as likely as the others (Fractions)."""
    return [[_uniform(len(one.actions)) for one in own] for own in game.information_sets]


def realization_plan(game: ExtensiveGame, player: int, behavior: Behavior) -> np.ndarray:
    """The plan [sequences] of a player's behavior strategy, Fractions where game and strategy are exact.

    Raises SolverError where a set has no distribution.
    """
    sets = game.information_sets[player]
    if len(behavior) != len(sets):
        raise SolverError(
            f"a strategy of {game.players[player]} needs {len(sets)} distributions, one for each information set; "
            f"given {len(behavior)}"
        )
    rows = [
        as_distribution(entry, len(one.actions), f"information set {one.name!r} of {game.players[player]}")
        for entry, one in zip(behavior, sets, strict=True)
    ]
    exact = game.exact and all(row.dtype == object for row in rows)
    plan = np.full(game.sequence_counts[player], Fraction(0) if exact else 0.0, dtype=object if exact else np.float64)
    plan[0] = Fraction(1) if exact else 1.0
    for row, one in zip(rows, sets, strict=True):
        plan[one.sequences] = plan[one.parent] * (row if exact else row.astype(np.float64))
    return plan


def behavior_strategy(game: ExtensiveGame, player: int, plan: np.ndarray) -> list[np.ndarray]:
    """The behavior strategy of a realization plan [sequences]; uniform where the plan never gets."""
    rows = []
    for one in game.information_sets[player]:
        own = plan[one.sequences]
        total = own.sum()
        rows.append(own / total if total > 0 else _uniform(len(own)).astype(plan.dtype))
    return rows


def expected_payoffs(game: ExtensiveGame, profile: Sequence[Behavior]) -> tuple[Number, ...]:
    """Each player's expected payoff; Fractions where game and profile are exact."""
    return plan_payoffs(game, _plans(game, profile))


def plan_payoffs(game: ExtensiveGame, plans: Sequence[np.ndarray]) -> tuple[Number, ...]:
    """`expected_payoffs` of realization plans, one [sequences] a player."""
    reach = _reach(game, plans)
    return tuple((_fitting(game.leaf_payoffs, game.floats[1], reach) @ reach).tolist())


def best_response(game: ExtensiveGame, profile: Sequence[Behavior], player: int) -> BestResponse:
    """The best that the player can do against the others' part of `profile`; the first of equally good actions."""
    return plan_response(game, _plans(game, profile), player)


def plan_response(game: ExtensiveGame, plans: Sequence[np.ndarray], player: int) -> BestResponse:
    """`best_response` to realization plans, one [sequences] a player; the player's own plan counts for nothing."""
    reach = _reach(game, plans, but=player)
    weights = _fitting(game.leaf_payoffs, game.floats[1], reach)[player] * reach
    gains = _sums(game.leaf_sequences[:, player], weights, game.sequence_counts[player])
    actions = []
    # A set comes after those that lead to it: backwards, the actions' values are complete.
    for one in reversed(game.information_sets[player]):
        own = gains[one.sequences]
        actions.append(int(np.argmax(own)))
        gains[one.parent] += own[actions[-1]]
    return BestResponse(gains[0], tuple(reversed(actions)))


def regrets(game: ExtensiveGame, profile: Sequence[Behavior]) -> tuple[Number, ...]:
    """What each player could gain by a best response to the others: all zero at a Nash equilibrium."""
    return plan_regrets(game, _plans(game, profile))


def plan_regrets(game: ExtensiveGame, plans: Sequence[np.ndarray]) -> tuple[Number, ...]:
    """`regrets` of realization plans, one [sequences] a player."""
    payoffs = enumerate(plan_payoffs(game, plans))
    gains = (plan_response(game, plans, player).value - payoff for player, payoff in payoffs)
    return tuple(max(gain, gain * 0) for gain in gains)


def nash_conv(game: ExtensiveGame, profile: Sequence[Behavior]) -> Number:
    """The sum of `regrets`: how far the profile is from equilibrium."""
    return sum(regrets(game, profile))


def exploitability(game: ExtensiveGame, profile: Sequence[Behavior]) -> Number:
    """NashConv a player; in a zero-sum game, what an opponent who knows the strategies wins on average."""
    return nash_conv(game, profile) / len(game.players)


def _plans(game: ExtensiveGame, profile: Sequence[Behavior]) -> list[np.ndarray]:
    if len(profile) != len(game.players):
        raise SolverError(f"a profile needs {len(game.players)} strategies, one per player; given {len(profile)}")
    plans = [realization_plan(game, player, behavior) for player, behavior in enumerate(profile)]
    # One floating strategy makes all floating: numpy would multiply Fractions by floats one at a time.
    return plans if all(plan.dtype == object for plan in plans) else [plan.astype(np.float64) for plan in plans]


def _reach(game: ExtensiveGame, plans: Sequence[np.ndarray], but: int | None = None) -> np.ndarray:
    """The probability [leaves] of every end, as far as chance and the players (`but` one) decide."""
    reach = _fitting(game.leaf_chance, game.floats[0], plans[0])
    for player, plan in enumerate(plans):
        if player != but:
            reach = reach * plan[game.leaf_sequences[:, player]]
    return reach


def _fitting(held: np.ndarray, floats: np.ndarray, to: np.ndarray) -> np.ndarray:
    return held if to.dtype == object else floats


def _uniform(count: int) -> np.ndarray:
    return np.full(count, Fraction(1, count), dtype=object)


def _sums(places: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    """[count]: the sum of the weights at each place."""
    if weights.dtype != object:
        return np.bincount(places, weights, minlength=count)
    sums = np.full(count, Fraction(0), dtype=object)
    np.add.at(sums, places, weights)
    return sums
