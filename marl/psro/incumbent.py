"""The incumbent: of all meta-strategies found so far the one over which members gain least.

A Nash meta-strategy may get worse from one iteration to the next, as the double oracle's does: it is an equilibrium
among the members, and says nothing of policies outside (McAleer et al. 2022, "Anytime PSRO for two-player zero-sum
games", arXiv:2201.07700, which mends it by another meta-strategy: one that is trained, beside every best response, to
be exploited least). Here populations grow as they would, and what was found before is kept: every older meta-strategy
is measured again by the members known now, on payoffs that are there. Where best responses are exact, so are the gains,
and those of the incumbent never rise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from marl.games import EmpiricalGame
from marl.games.regret import ProfileRegret, joint_regret
from marl.psro.record import Record
from marl.seeding import stream


@dataclass(frozen=True, slots=True)
class Measured:
    """What known members gain over the meta-strategy of `iteration`; `epsilon` bounds the largest gain from above."""

    iteration: int
    regret: ProfileRegret
    epsilon: float

    def metrics(self, agents: Sequence[str], prefix: str) -> dict[str, Any]:
        """The gains, summed and of each agent, their best members and the bound, named by `prefix`."""
        mean, low, high = self.regret.nash_conv
        row: dict[str, Any] = {"gains": mean, "gains_low": low, "gains_high": high, "epsilon": self.epsilon}
        for agent, own in zip(agents, self.regret.players, strict=True):
            row |= {f"gain/{agent}": own.mean, f"best_member/{agent}": own.best_response}
        return {f"{prefix}{name}": value for name, value in row.items()}


def measured(record: Record, members: int, *, confidence: float, seed: int) -> list[Measured]:
    """All meta-strategies with best responses among the first `members` of each population, by iteration.

    Each one by all of these members, on the same draws. What that takes was played: an older meta-strategy mixes older
    members, of whom one switches to a newer one. An interval holds for all agents and members at once, and for one
    meta-strategy at a time: that of the best of several is a little too kind.
    """
    newest, game = members - 2, record.game([members] * len(record.agents))
    unseen = unseen_gain(game, confidence)
    found = []
    for iteration in range(newest + 1):
        joint = record.meta(iteration).joint
        whole = np.pad(joint, [(0, members - size) for size in joint.shape])
        regret = joint_regret(game, whole, confidence=confidence, rng=stream(seed, "psro", "gains", newest))
        found.append(Measured(iteration, regret, max(regret.epsilon, unseen)))
    return found


def incumbent(found: Sequence[Measured]) -> Measured:
    """The one whose gains, summed over agents, can be the least: by their upper end; of equals the latest."""
    return min(reversed(found), key=lambda one: one.regret.nash_conv[2])


def unseen_gain(game: EmpiricalGame, confidence: float) -> float:
    """What outcomes that no episode showed may be worth, as far as payoffs range: the rule of three.

    Two members that did the same in all n episodes differ by no variance at all, and still may do differently in a
    share 1 - (1 - confidence)^(1/n) of them (Hanley & Lippman-Hand 1983, "If nothing goes wrong, is everything all
    right?"). No bound on a gain is smaller than that share of the largest range of an agent's payoffs.
    """
    payoffs = np.concatenate(list(game.samples.values()))
    fewest = min(map(len, game.samples.values()))
    return float(np.ptp(payoffs, axis=0).max() * (1 - (1 - confidence) ** (1 / fewest)))
