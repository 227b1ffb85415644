"""The value of a two-player zero-sum game tree and optimal behavior strategies, by one sparse linear program.

With perfect information backward induction finds them at once, and exactly. The program grows with the tree, not with
its (exponentially many) strategies. Source: Koller, Megiddo & von Stengel 1996, "Efficient computation of equilibria
for extensive two-person games", Games and Economic Behavior 14.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from marl.errors import SolverError
from marl.games.extensive.behavior import behavior_strategy, plan_payoffs, plan_regrets, realization_plan
from marl.games.extensive.game import ExtensiveGame, InformationSet
from marl.games.extensive.subgame_perfect import subgame_perfect
from marl.games.limits import TIME_LIMIT
from marl.games.linear_program import maximize_floating, unit_range
from marl.games.normal_form import Number

CERTIFIED_LEAVES = 2_000
"""Up to this many ends the strategies are rounded to fractions, and proved where they can be."""

DENOMINATOR = 10_000
METHOD = "sequence form"


@dataclass(frozen=True, slots=True)
class BehaviorEquilibrium:
    """A profile of behavior strategies (player, information set, action) and what it pays.

    `regret` is the largest gain that a player could make alone, computed from the profile; `exact`: it is zero in
    rational arithmetic, and all numbers are Fractions.
    """

    profile: tuple[tuple[tuple[Number, ...], ...], ...]
    payoffs: tuple[Number, ...]
    regret: Number
    exact: bool
    method: str


def zero_sum_equilibrium(game: ExtensiveGame, *, time_limit: float = TIME_LIMIT) -> BehaviorEquilibrium:
    """One equilibrium of a two-player constant-sum game; its first payoff is the value of the game.

    Raises SolverError for any other game, and where `time_limit` seconds are over.
    """
    game = game.rational() if len(game.leaf_chance) <= CERTIFIED_LEAVES else game
    if game.constant_sum is None:
        raise SolverError("undefined: a value needs two players whose payoffs sum to a constant")
    if game.perfect_information:
        found, game = subgame_perfect(game), game.rational()
        pure = [realization_plan(game, player, own) for player, own in enumerate(found.actions)]
        return _answer(game, pure, True, found.method)
    plans = _optimal_plans(game, time_limit)
    if game.exact and len(game.leaf_chance) <= CERTIFIED_LEAVES:
        behaviors = [_rounded(behavior_strategy(game, player, plan)) for player, plan in enumerate(plans)]
        rounded = [realization_plan(game, player, behavior) for player, behavior in enumerate(behaviors)]
        if not any(plan_regrets(game, rounded)):
            return _answer(game, rounded, True)
    return _answer(game, plans, False)


def _optimal_plans(game: ExtensiveGame, time_limit: float) -> list[np.ndarray]:
    """Both players' plans: the first one's x maximizes q_0, the value that the second one's best answer leaves.

    With q the values of the second player's information sets, weighted by how likely x and chance lead there, the
    rows say that no sequence s of the second player is worse for the first than what s leads on to; their prices are
    the second one's plan.
    """
    from scipy.sparse import coo_array, csr_array, hstack  # takes its time to import, as HiGHS does

    own, other = game.sequence_counts
    chance, payoffs = game.floats
    pay = coo_array((chance * unit_range(payoffs[0])[0], tuple(game.leaf_sequences.T)), shape=(own, other))
    flow, against = (_flow(sets, n) for sets, n in zip(game.information_sets, game.sequence_counts, strict=True))
    values = against.shape[0]
    objective = np.zeros(own + values)
    objective[own] = 1.0
    found = maximize_floating(
        objective,
        hstack([-pay.T, against.T]).tocsr(),
        np.zeros(other),
        equal=(hstack([flow, csr_array((flow.shape[0], values))]).tocsr(), np.eye(flow.shape[0])[0]),
        bounds=[(0, None)] * own + [(None, None)] * values,
        time_limit=time_limit,
    )
    plans = [np.maximum(found.primal[:own], 0), np.maximum(found.dual, 0)]
    return [realization_plan(game, p, behavior_strategy(game, p, plan)) for p, plan in enumerate(plans)]


def _flow(sets: tuple[InformationSet, ...], count: int) -> Any:
    """[1 + sets, sequences]: `flow @ plan` is 1 in row 0 and 0 in every other exactly for realization plans."""
    from scipy.sparse import csr_array

    rows, columns, entries = [0], [0], [1.0]
    for k, one in enumerate(sets, start=1):
        places = [one.parent, *range(one.sequences.start, one.sequences.stop)]
        rows += [k] * len(places)
        columns += places
        entries += [-1.0] + [1.0] * len(one.actions)
    return csr_array((entries, (rows, columns)), shape=(1 + len(sets), count))


def _rounded(behavior: list[np.ndarray]) -> list[np.ndarray]:
    rows = []
    for row in behavior:
        shares = [Fraction(float(p)).limit_denominator(DENOMINATOR) for p in row]
        rows.append(np.array([share / sum(shares) for share in shares], dtype=object))
    return rows


def _answer(game: ExtensiveGame, plans: list[np.ndarray], exact: bool, method: str = METHOD) -> BehaviorEquilibrium:
    behaviors = [behavior_strategy(game, player, plan) for player, plan in enumerate(plans)]
    profile = tuple(tuple(tuple(row.tolist()) for row in own) for own in behaviors)
    regret = max(plan_regrets(game, plans))
    return BehaviorEquilibrium(profile, plan_payoffs(game, plans), regret, exact, method)
