"""How a small network takes part in a game of words: views become numbers, its outputs become options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from gymnasium import spaces

from marl.errors import ScenarioError
from marl.scenario import make_env
from marl.settings import Scenario
from marl.text import flat_observation, flat_size, text_face
from marl.types import Phase, View


@dataclass(frozen=True)
class Alphabet:
    """Every decision that can be listed: the actions of each agent by number, then the words of the vocabulary."""

    actions: Mapping[str, tuple[str, ...]]
    vocabulary: tuple[str, ...] = ()

    @cached_property
    def first_word(self) -> int:
        """The number of the first word: the most actions that an agent has."""
        return max(map(len, self.actions.values()))

    @property
    def size(self) -> int:
        """How many numbers there are, A."""
        return self.first_word + len(self.vocabulary)

    @cached_property
    def _numbers(self) -> dict[tuple[str, str], dict[str, int]]:
        words = {word: self.first_word + place for place, word in enumerate(self.vocabulary)}
        acts = {agent: {name: place for place, name in enumerate(names)} for agent, names in self.actions.items()}
        return {(agent, phase): acts[agent] if phase == "act" else words for agent in acts for phase in ("act", "talk")}

    def numbers(self, agent: str, phase: Phase, options: Sequence[str]) -> tuple[int, ...]:
        """The number of each option. Raises ScenarioError for free text, and for an option the agent has not."""
        known = self._numbers.get((agent, phase))
        if known is None:
            raise ScenarioError(f"{agent!r} is unknown; the game's agents are {list(self.actions)}")
        if not options:
            raise ScenarioError(
                f"{agent} is asked for free text, which cannot be listed; give channel.vocabulary, or topology: none"
            )
        try:
            return tuple(known[option] for option in options)
        except KeyError as error:
            raise ScenarioError(
                f"{agent} may choose {error.args[0]!r} in the {phase} phase, which is none of {list(known)}; "
                "action_names and vocabulary must list every option"
            ) from error


def alphabet(scenario: Scenario) -> Alphabet:
    """The scenario's, as its env's text face and its channel have it."""
    env = make_env(scenario)
    face = text_face(env, scenario.env.text)
    names = {agent: tuple(face.action_names(agent)) for agent in env.possible_agents}
    return Alphabet(names, tuple(scenario.channel.vocabulary or ()) if talks(scenario) else ())


def talks(scenario: Scenario) -> bool:
    """Whether the scenario has talk at all; a channel that is off, or scrambled, is one with talk."""
    return scenario.channel.topology != "none" and scenario.channel.talk_rounds > 0


@dataclass(frozen=True)
class Encoding:
    """What a network reads for the agents `seats`, and what its outputs mean.

    A row of inputs, float32 [F]: the flattened private observation, padded with zeros to the longest; which of the
    seats it is, as one-hot, where there are several; and for each agent the word that it was last heard to say in
    this decision, as one-hot, all zeros for nothing or for a word outside of the vocabulary.
    """

    alphabet: Alphabet
    seats: tuple[str, ...]
    spaces: Mapping[str, spaces.Space]

    @classmethod
    def of(cls, scenario: Scenario, policy: str) -> Encoding:
        """For `policy` in this scenario, whose past checkpoints may sit there too, in a league or a mixture.

        Raises ScenarioError where messages are free text.
        """
        if talks(scenario) and scenario.channel.vocabulary is None:
            raise ScenarioError(
                f"policies.{policy} is a network, which can neither say nor hear free text; list the messages in "
                "channel.vocabulary, or set channel.topology: none"
            )
        env = make_env(scenario)
        agents = tuple(env.possible_agents)
        leagues = {name for name, given in scenario.policies.items() if getattr(given, "of", None) == policy}
        seats = tuple(agent for agent in agents if scenario.seats[agent] in {policy, *leagues}) or agents
        return cls(alphabet(scenario), seats, {agent: env.observation_space(agent) for agent in agents})

    @cached_property
    def longest(self) -> int:
        """Numbers of the longest private observation."""
        return max(flat_size(self.spaces[agent]) for agent in self.seats)

    @cached_property
    def inputs(self) -> int:
        """F."""
        seats = len(self.seats) if len(self.seats) > 1 else 0
        return self.longest + seats + len(self.spaces) * len(self.alphabet.vocabulary)

    @property
    def outputs(self) -> int:
        """A."""
        return self.alphabet.size

    def rows(self, agent: str, features: np.ndarray) -> np.ndarray:
        """[N, F] for N flattened observations [N, O] of `agent`, who has heard nothing.

        Raises ScenarioError for an agent that is not one of the seats.
        """
        rows = np.zeros((len(features), self.inputs), np.float32)
        self._seat(rows, agent, features)
        return rows

    def _seat(self, rows: np.ndarray, agent: str, features: np.ndarray) -> None:
        """Write features [..., O] of `agent`, and which of the seats it is, into rows [..., F] of zeros."""
        if agent not in self.seats:
            raise ScenarioError(f"the network plays {list(self.seats)} and was seated on {agent!r}; seat it on those")
        rows[..., : features.shape[-1]] = features
        if len(self.seats) > 1:
            rows[..., self.longest + self.seats.index(agent)] = 1.0

    def batch(self, views: Sequence[View]) -> np.ndarray:
        """The inputs [T, F] of T views."""
        rows = np.zeros((len(views), self.inputs), np.float32)
        for row, view in zip(rows, views, strict=True):
            features = view.features
            if features is None:
                features = flat_observation(self.spaces[view.agent], view.observation)
            self._seat(row, view.agent, features)
            if view.inbox and self.alphabet.vocabulary:
                self._hear(row, view)
        return rows

    def _hear(self, row: np.ndarray, view: View) -> None:
        words, agents = self.alphabet.vocabulary, list(self.spaces)
        heard = row[len(row) - len(agents) * len(words) :].reshape(len(agents), len(words))
        for sender, text in {message.sender: message.text for message in view.inbox}.items():
            if text in words:
                heard[agents.index(sender), words.index(text)] = 1.0

    def read(self, view: View) -> np.ndarray:
        """The inputs [F] of one view."""
        return self.batch([view])[0]

    def legal(self, numbers: Sequence[Sequence[int]]) -> np.ndarray:
        """[T, A] bool: which outputs each of T lists of options asks for."""
        distinct = {given: place for place, given in enumerate(dict.fromkeys(map(tuple, numbers)))}
        masks = np.zeros((len(distinct), self.outputs), bool)
        for row, given in zip(masks, distinct, strict=True):
            row[list(given)] = True
        return masks[[distinct[tuple(given)] for given in numbers]]
