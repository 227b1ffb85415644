"""Measures policies exactly in any env that is small enough to be enumerated: `evaluation.exact: tree`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from marl.games.extensive.behavior import plan_payoffs, plan_regrets, realization_plan
from marl.games.from_env import enumerate_env


class TreeMeasure:
    """NashConv and payoffs from the distributions at every information set of the env's game tree.

    A set is one more history of what its agent has seen and done, while a policy sees the last observation only, so
    that it may play alike at several sets. A plan [P] is the players' realization plans (von Stengel 1996), one behind
    the other. Raises SolverError for an env that cannot be enumerated (see `marl.games.from_env`).
    """

    def __init__(self, env: Any, face: Any = None) -> None:
        found = enumerate_env(lambda: env, face=face)
        self.game = found.game
        rows = zip(self.game.players, found.observations, strict=True)
        self.situations: Sequence[tuple[str, Any]] = [
            (agent, observation) for agent, own in rows for observation in own
        ]
        self._starts = np.cumsum(self.game.sequence_counts)[:-1]

    def plan(self, probs: Sequence[np.ndarray]) -> np.ndarray:
        """[P] from one distribution a situation, over the actions that are legal there."""
        waiting = iter(probs)
        plans = []
        for player, own in enumerate(self.game.information_sets):
            rows = [np.asarray(next(waiting), dtype=np.float64) for _ in own]
            plans.append(realization_plan(self.game, player, [row / row.sum() for row in rows]).astype(np.float64))
        return np.concatenate(plans)

    def measures(self, plan: np.ndarray) -> dict[str, float]:
        """nash_conv, AGENT/payoff, and for an agent with one decision AGENT/ACTION, the share of each action."""
        plans = np.split(plan, self._starts)
        found = {"nash_conv": float(sum(plan_regrets(self.game, plans)))}
        for agent, payoff in zip(self.game.players, plan_payoffs(self.game, plans), strict=True):
            found[f"{agent}/payoff"] = float(payoff)
        for agent, sets, own in zip(self.game.players, self.game.information_sets, plans, strict=True):
            if len(sets) == 1:
                shares = zip(sets[0].actions, own[sets[0].sequences].tolist(), strict=True)
                found |= {f"{agent}/{action}": share for action, share in shares}
        return found
