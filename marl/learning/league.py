"""Leagues in training: which past checkpoints there are, how often each is drawn, and the actors that play them.

Fictitious self-play answers the average of the opponent's past policies: a uniform draw among its checkpoints
(Heinrich, Lanctot, Silver, "Fictitious self-play in extensive-form games", ICML 2015). Prioritized fictitious self-play
draws a member b with a probability in proportion to f(P[learner beats b]), here f(p) = (1 - p)^2: the hardest most
often (Vinyals et al., "Grandmaster level in StarCraft II using multi-agent reinforcement learning", Nature 2019).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import ray
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

from marl.learning.actor import BASES, ActorModule
from marl.multi_task import AnyScenario, home_of
from marl.policies import Policy
from marl.policies.bases import Bases
from marl.policies.league import LeaguePolicy, drawn
from marl.settings import LeagueSettings, Scenario
from marl.types import Episode

DECAY = 0.9
"""What is left of an old result after an iteration: the learner that won or lost it is not the same any more."""


@dataclass
class Member:
    """A checkpoint: the actor's `state` after so many iterations, and the learner's `wins` in `games` against it."""

    iteration: int
    state: Any
    wins: float = 0.0
    games: float = 0.0

    @property
    def win_rate(self) -> float:
        """The learner's, with one drawn game added, so that an unknown member counts as an equal."""
        return (self.wins + 0.5) / (self.games + 1.0)


@dataclass(frozen=True)
class Lineup:
    """Who can be drawn now. `states` are module states, or references to them in Ray's object store."""

    iterations: tuple[int, ...]
    probabilities: tuple[float, ...]
    states: tuple[Any, ...]


class League:
    """The newest `size` checkpoints of policy `of`, one taken every so many iterations, the first before training."""

    def __init__(self, name: str, settings: LeagueSettings, scenario: Scenario) -> None:
        self.name, self.settings, self.seed = name, settings, scenario.seed
        self.members: list[Member] = []
        self._mine = [agent for agent, policy in scenario.seats.items() if policy == settings.of]
        self._theirs = [agent for agent, policy in scenario.seats.items() if policy == name]
        self._scores: list[float] = []

    def advance(self, iteration: int, actor: ActorModule) -> None:
        """After so many finished iterations, take in the actor's weights where that is due."""
        if iteration % self.settings.every == 0:
            self.members.append(Member(iteration, copy.deepcopy(actor.get_state(inference_only=True))))
            kept = 1 if self.settings.sampling == "latest" else self.settings.size
            self.members = self.members[-kept:]

    def probabilities(self) -> np.ndarray:
        """[members], their sum is 1."""
        weight = np.ones(len(self.members))
        if self.settings.sampling == "prioritized":
            weight = np.array([(1.0 - member.win_rate) ** 2 for member in self.members])
        return weight / weight.sum()

    def lineup(self) -> Lineup:
        """Who plays from now on until `book`."""
        iterations = tuple(member.iteration for member in self.members)
        states = tuple(member.state for member in self.members)
        return Lineup(iterations, tuple(self.probabilities().tolist()), states)

    def book(self, episodes: Sequence[Episode]) -> None:
        """Count who won the episodes that `lineup` played: the learner's seats or the league's, by mean payoff."""
        probabilities = self.probabilities()
        for member in self.members:
            member.wins, member.games = DECAY * member.wins, DECAY * member.games
        self._scores = []
        for episode in episodes:
            if episode.outcome != "failed":
                mine, theirs = (
                    np.mean([episode.returns[agent] for agent in seats]) for seats in (self._mine, self._theirs)
                )
                score = 0.5 * (1.0 + np.sign(mine - theirs))
                member = self.members[drawn(self.seed, self.name, probabilities, episode.index)]
                member.wins, member.games = member.wins + score, member.games + 1.0
                self._scores.append(float(score))

    def report(self) -> dict[str, float]:
        """The learner's share of wins in the last iteration (a draw is half of one), and how many members there are."""
        row: dict[str, float] = {f"league/{self.name}/members": len(self.members)}
        return row | ({f"league/{self.name}/win_rate": float(np.mean(self._scores))} if self._scores else {})

    def get_state(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        return {"members": [vars(member) for member in self.members]}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` gave."""
        self.members = [Member(**member) for member in state["members"]]


def leagues_of(scenario: AnyScenario) -> dict[str, League]:
    """The seated leagues by policy name, without members yet."""
    seated = set(scenario.seats.values())
    return {
        name: League(name, settings, home_of(scenario, name))
        for name, settings in scenario.policies.items()
        if isinstance(settings, LeagueSettings) and name in seated
    }


class Bench:
    """The actors that play the members of all leagues at a table: built once each, given other weights when needed."""

    def __init__(self, config: AlgorithmConfig, policies: Mapping[str, Policy]) -> None:
        self._config, self._policies = config, policies
        self._leagues = {name: policy for name, policy in policies.items() if isinstance(policy, LeaguePolicy)}
        self._actors: dict[str, dict[int, ActorModule]] = {name: {} for name in self._leagues}

    def seat(self, lineups: Mapping[str, Lineup]) -> None:
        """Let every league play with this lineup."""
        for name, lineup in lineups.items():
            actors = self._actors[name]
            free = [actors.pop(iteration) for iteration in set(actors) - set(lineup.iterations)]
            for iteration, state in zip(lineup.iterations, lineup.states, strict=True):
                if iteration not in actors:
                    actor = free.pop() if free else self._build(self._config.scenario.policies[name].of)
                    actor.set_state(ray.get(state) if isinstance(state, ray.ObjectRef) else state)
                    actors[iteration] = actor
            members = [actors[iteration].policy for iteration in lineup.iterations]
            self._leagues[name].seat(members, lineup.probabilities)

    def _build(self, of: str) -> ActorModule:
        """An actor like that of policy `of`, over its base where it has an adapter."""
        spec = self._config.get_multi_rl_module_spec(inference_only=True).rl_module_specs[of]
        if issubclass(spec.module_class, ActorModule):
            spec.model_config = {**spec.model_config, BASES: Bases([self._policies[of]])}
        return spec.build()


def stored(lineup: Lineup, references: dict[int, Any]) -> Lineup:
    """The lineup with its states in Ray's object store; `references` keeps what is there by iteration."""
    for iteration in set(references) - set(lineup.iterations):
        del references[iteration]
    for iteration, state in zip(lineup.iterations, lineup.states, strict=True):
        if iteration not in references:
            references[iteration] = ray.put(state)
    return replace(lineup, states=tuple(references[iteration] for iteration in lineup.iterations))
