"""How far policies are from equilibrium, computed from their distributions wherever they may have to decide.

A game that is small enough is enumerated (`evaluation.exact: tree`); another one may name what measures it, as
"module:attribute" of something that is called with the env and gives

    situations        (agent, observation) of every information set
    plan(probs)       the realization plan [P] (von Stengel 1996) of probabilities over the legal actions there
    measures(plan)    numbers by name

Plans are linear, so that the average of plans is the plan of the average policy, which is what converges where the
policies themselves go round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from marl.errors import LearningError, ScenarioError
from marl.learning.tree_measure import TreeMeasure
from marl.policies import Policy
from marl.scenario import load_attribute
from marl.settings import Scenario
from marl.table import Table
from marl.types import View

TREE = "tree"
"""The value of `evaluation.exact` that asks for the env's game tree."""


class ExactGame(Protocol):
    """What `evaluation.exact` gives; see the module's text."""

    situations: Sequence[tuple[str, Any]]

    def plan(self, probs: Sequence[np.ndarray]) -> np.ndarray:
        """[P] from one distribution a situation."""
        ...

    def measures(self, plan: np.ndarray) -> dict[str, float]:
        """Numbers by name."""
        ...


@runtime_checkable
class Distributes(Protocol):
    """A policy that tells its distributions."""

    def distributions(self, views: Sequence[View]) -> list[np.ndarray]:
        """The probability of each of a view's options, [O], for every view."""
        ...


class ExactMeasure:
    """Measures the policies of a scenario, and their average over the iterations taken in so far.

    `total` [P] and `weight`: the sum of plans, iteration t counting t times (Tammelin et al., "Solving Heads-up Limit
    Texas Hold'em", 2015, sec. 3), since late policies are nearer.
    """

    def __init__(self, scenario: Scenario) -> None:
        entry = scenario.evaluation.exact
        assert entry is not None
        if scenario.channel.topology != "none" and scenario.channel.talk_rounds:
            raise ScenarioError("evaluation.exact measures games without talk; set channel.topology: none")
        table = Table(scenario)
        table.open_record(scenario.seed, 0)
        self.game: ExactGame = (
            TreeMeasure(table.env.unwrapped, table.face)
            if entry == TREE
            else load_attribute(entry, "evaluation.exact")(table.env.unwrapped)
        )
        self.seats = scenario.seats
        self.views = [_view(table, agent, observation) for agent, observation in self.game.situations]
        self.total: np.ndarray | None = None
        self.weight = 0.0

    def plan(self, policies: Mapping[str, Policy]) -> np.ndarray:
        """The plan [P] of the policies on their seats, by policy name, or by the agent's own, which then wins.

        Raises LearningError for a policy that tells no distribution.
        """
        found: dict[int, np.ndarray] = {}
        sitting = {agent: agent if agent in policies else name for agent, name in self.seats.items()}
        for name in dict.fromkeys(sitting.values()):
            policy = policies[name]
            if not isinstance(policy, Distributes):
                raise LearningError(
                    f"evaluation.exact needs the distributions of policy {name!r}, which a {type(policy).__name__} "
                    "does not tell; seat a language model or a network, or leave evaluation.exact out"
                )
            mine = [place for place, view in enumerate(self.views) if sitting[view.agent] == name]
            found.update(zip(mine, policy.distributions([self.views[place] for place in mine]), strict=True))
        return self.game.plan([found[place] for place in range(len(self.views))])

    def take_in(self, policies: Mapping[str, Policy], iteration: int) -> None:
        """Let the policies after `iteration` count in the average."""
        plan = iteration * self.plan(policies)
        self.total = plan if self.total is None else self.total + plan
        self.weight += iteration

    def row(self, policies: Mapping[str, Policy]) -> dict[str, float]:
        """exact/NAME of the policies now, and exact/average_NAME of their average."""
        found = {f"exact/{name}": value for name, value in self.game.measures(self.plan(policies)).items()}
        if self.total is not None:
            average = self.game.measures(self.total / self.weight)
            found |= {f"exact/average_{name}": value for name, value in average.items()}
        return found

    def get_state(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"total": None if self.total is None else self.total.tolist(), "weight": self.weight}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `get_state`."""
        self.total = None if state["total"] is None else np.array(state["total"])
        self.weight = state["weight"]


def _view(table: Table, agent: str, observation: Any) -> View:
    view = table.view_of(agent, observation, ())
    if view is None:
        raise ScenarioError(f"evaluation.exact lists a situation in which {agent} has no choice: {observation}")
    return view
