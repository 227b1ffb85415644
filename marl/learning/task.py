"""What to play, cut into lockstep groups that never depend on how many processes play them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from marl.policies import Policy, as_evaluated
from marl.rollout import Tables, play
from marl.scenario import evaluated
from marl.settings import Scenario
from marl.types import Episode

GROUP = 32
"""Episodes in one lockstep group."""


@dataclass(frozen=True)
class Task:
    """Episodes `indices` under root `seed`; `intervention`, `pool` and `copies` as in `marl.rollout.play`.

    `game` names the scenario, where several are played.
    `explore`: whether policies that learn by trying try things, as they do in training and not in evaluation.
    `evaluated`: in the way of `scenario.evaluation`, which may name another env and greedy play.
    """

    indices: tuple[int, ...]
    seed: int
    intervention: str | None = None
    pool: Mapping[str, Sequence[str]] | None = None
    copies: int = 1
    explore: bool = False
    evaluated: bool = False
    game: str | None = None

    def groups(self) -> list[Task]:
        """The task in pieces of GROUP episodes, the last one shorter."""
        starts = range(0, len(self.indices), GROUP)
        return [replace(self, indices=self.indices[start : start + GROUP]) for start in starts]

    def play(self, scenario: Scenario, policies: Mapping[str, Policy], tables: Tables | None = None) -> list[Episode]:
        """Play all of it here, at `tables` where they are given and have the env that it is played in."""
        if self.evaluated:
            if scenario.evaluation.env_kwargs:
                tables = None
            scenario, policies = evaluated(scenario), as_evaluated(scenario, policies)
        return play(
            scenario,
            policies,
            self.indices,
            seed=self.seed,
            intervention=self.intervention,
            pool=self.pool,
            copies=self.copies,
            group=GROUP,
            tables=tables,
        )
