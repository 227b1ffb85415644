"""Playing a game for small networks without a single episode record: one NumPy env holds all copies, in lockstep.

An array env is made with (count, **kwargs) and has `agents`; `reset(rng)`; `observations()` {agent: float32 [N, O]};
`masks()` {agent: bool [N, actions]}; `state()` [N, S]; `step({agent: int [N]})`, which gives rewards {agent: [N]},
terminated [N] and truncated [N]. What a copy does after its end is ignored. The columns are those that
`marl.learning.batch.column_batch` makes of the same play.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from marl.errors import EnvError, LearningError
from marl.learning.features import CriticLayout
from marl.learning.presets import preset
from marl.policies import NetworkPolicy, Policy
from marl.policies.encoding import talks
from marl.policies.network import draw
from marl.scenario import load_attribute
from marl.seeding import seed_of, stream
from marl.settings import NetworkSettings, Scenario

_BLOCK = 32
"""Uniform numbers that are drawn from an agent's stream at a time."""


def plays_as_arrays(scenario: Scenario) -> bool:
    """Whether training can play the scenario's array env: it names one, nobody talks, networks sit everywhere, and the
    algorithm is a policy gradient's that asks neither for the state's text nor for several episodes of one situation.
    """
    training = scenario.training
    seated = [scenario.policies[name] for name in scenario.seats.values()]
    everywhere = all(isinstance(policy, NetworkSettings) for policy in seated)
    fits = not preset(training.algorithm).grouped and not training.value_based
    words = talks(scenario) or training.critic.kind == "text"
    return scenario.env.arrays is not None and everywhere and not words and fits


@dataclass
class Moments:
    """One agent's decisions by step: T arrays of N copies each. `decided` leaves out copies that had ended or had a
    single legal action; `reward` is what came after the decision and before the next one.
    """

    features: list[np.ndarray] = field(default_factory=list)
    inputs: list[np.ndarray] = field(default_factory=list)
    legal: list[np.ndarray] = field(default_factory=list)
    picks: list[np.ndarray] = field(default_factory=list)
    log_probs: list[np.ndarray] = field(default_factory=list)
    decided: list[np.ndarray] = field(default_factory=list)
    reward: list[np.ndarray] = field(default_factory=list)


@dataclass
class ArrayPlay:
    """N episodes numbered from `first`: each agent's moments, `states` (T arrays [N, S]), `lengths` and `returns` [N],
    and where an episode was `cut` [N], what could be seen then.
    """

    first: int
    moments: dict[str, Moments]
    states: list[np.ndarray]
    lengths: np.ndarray
    returns: np.ndarray
    cut: np.ndarray
    last_features: dict[str, np.ndarray]
    last_state: np.ndarray


class ArraySampler:
    """Plays `training.episodes` copies with `policies`, by policy name, as often as it is asked."""

    def __init__(self, scenario: Scenario, layout: CriticLayout, policies: Mapping[str, Policy]) -> None:
        entry, self.count = str(scenario.env.arrays), scenario.training.episodes
        try:
            self.env: Any = load_attribute(entry, "env.arrays")(self.count, **scenario.env.kwargs)
        except (TypeError, ValueError) as error:
            raise LearningError(f"env.arrays: {entry} refuses {self.count}, {scenario.env.kwargs}: {error}") from error
        if tuple(self.env.agents) != layout.agents:
            raise LearningError(f"env.arrays: {entry} has agents {self.env.agents}, the env has {layout.agents}")
        self.scenario, self.layout = scenario, layout
        self.policies = {agent: _network(policies[scenario.seats[agent]]) for agent in layout.agents}

    def play(self, iteration: int) -> ArrayPlay:
        """The episodes of one iteration, each agent of each drawing from the stream that it has in `marl.rollout`.

        Raises EnvError for an action that the env forbids all of, and LearningError for a reward that is not finite.
        """
        seed, env = seed_of(self.scenario.seed, "training"), self.env
        first = iteration * self.count
        self._readers = {agent: policy.reader(self.count) for agent, policy in self.policies.items()}
        draws = {agent: Uniform(seed, agent, range(first, first + self.count)) for agent in self.layout.agents}
        env.reset(stream(seed, "arrays", iteration))
        alive, zeros = np.ones(self.count, bool), np.zeros(self.count)
        play = ArrayPlay(
            first,
            {agent: Moments() for agent in self.layout.agents},
            [],
            np.zeros(self.count, np.int64),
            zeros.copy(),
            np.zeros(self.count, bool),
            {},
            np.zeros(0),
        )
        latest = {agent: np.full(self.count, -1) for agent in self.layout.agents}
        while alive.any():
            play.states.append(np.asarray(env.state(), np.float32).reshape(self.count, -1))
            actions = self._decide(play, draws, alive)
            rewards, terminated, truncated = env.step(actions)
            for agent, moments in play.moments.items():
                gained = np.where(alive, rewards[agent], 0.0)
                if not np.isfinite(gained).all():
                    raise LearningError(f"the array env pays {agent} {gained}; rewards must be finite numbers")
                play.returns += gained / len(play.moments)
                latest[agent][moments.decided[-1]] = len(moments.reward)
                moments.reward.append(zeros.copy())
                copies = np.flatnonzero(latest[agent] >= 0)
                for step in np.unique(latest[agent][copies]):
                    at = copies[latest[agent][copies] == step]
                    moments.reward[step][at] += gained[at]
            play.lengths += alive
            self._note_cut(play, alive & truncated & ~terminated)
            alive &= ~(terminated | truncated)
        return play

    def _decide(self, play: ArrayPlay, draws: Mapping[str, Uniform], alive: np.ndarray) -> dict[str, np.ndarray]:
        observations, masks, actions = self.env.observations(), self.env.masks(), {}
        for agent, moments in play.moments.items():
            policy, mask = self.policies[agent], np.asarray(masks[agent], bool)
            if not mask[alive].any(-1).all():
                raise EnvError(f"{agent} has no legal action; an array env leaves at least one, or ends the copy")
            decided = alive & (mask.sum(-1) > 1)
            features = np.asarray(observations[agent], np.float32).reshape(self.count, -1)
            inputs = policy.encoding.rows(agent, features)
            legal = np.zeros((self.count, policy.encoding.outputs), bool)
            legal[:, : mask.shape[1]] = mask
            legal[~alive, 0] = True  # whatever: it is not looked at, but it must have a distribution
            table = self._readers[agent](inputs, legal, decided)
            uniform = draws[agent].take(decided)
            picks = np.where(decided, draw(table, uniform), legal.argmax(-1))
            moments.features.append(features)
            moments.inputs.append(inputs)
            moments.legal.append(legal)
            moments.picks.append(picks)
            moments.log_probs.append(table[np.arange(self.count), picks])
            moments.decided.append(decided)
            actions[agent] = picks
        return actions

    def _note_cut(self, play: ArrayPlay, cut: np.ndarray) -> None:
        if not cut.any():
            return
        state = np.asarray(self.env.state(), np.float32).reshape(self.count, -1)
        features = {
            agent: np.asarray(seen, np.float32).reshape(self.count, -1)
            for agent, seen in self.env.observations().items()
        }
        if play.cut.any():
            state = np.where(cut[:, None], state, play.last_state)
            features = {a: np.where(cut[:, None], features[a], play.last_features[a]) for a in features}
        play.cut |= cut
        play.last_state, play.last_features = state, features


def _network(policy: Policy) -> NetworkPolicy:
    assert isinstance(policy, NetworkPolicy)
    return policy


class Uniform:
    """Each copy's own stream of uniform numbers, as its agent has it in `marl.rollout`."""

    def __init__(self, seed: int, agent: str, indices: range) -> None:
        self._streams = [stream(seed, "agent", agent, index) for index in indices]
        self._drawn = np.zeros((len(indices), 0))
        self._next = np.zeros(len(indices), np.int64)

    def take(self, wanted: np.ndarray) -> np.ndarray:
        """[N]: the next number of each copy that `wanted` [N] marks, and 0 for the others, which keep theirs."""
        if self._next.max(initial=0) == self._drawn.shape[1]:
            self._drawn = np.concatenate([self._drawn, np.stack([s.random(_BLOCK) for s in self._streams])], axis=1)
        numbers = np.where(wanted, self._drawn[np.arange(len(wanted)), self._next], 0.0)
        self._next += wanted
        return numbers


def metrics(play: ArrayPlay) -> dict[str, float]:
    """The rows of `episode_metrics` that such play has."""
    return {
        "charts/episodic_return": float(play.returns.mean()),
        "charts/episodic_length": float(play.lengths.mean()),
        "charts/episodes_failed": 0,
        "charts/parse_failures": 0,
        "charts/failed_calls": 0,
    }


def turns(play: ArrayPlay) -> Iterator[int]:
    """How many decisions each agent made."""
    return (int(np.sum(moments.decided)) for moments in play.moments.values())
