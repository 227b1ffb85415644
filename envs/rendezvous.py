"""Rendezvous: two friends who each get unsure clues must meet at one of three places; the weather pays them too.

The treasure is at the hill, the river or the lake, uniformly, for the whole episode. On each of `days` days each
player gets a clue of its own: the right place with probability `accuracy`, else one of the two others. Then both go to
a place at once. Both at the treasure: 10 each that day, otherwise 0. The weather, the same all days and seen by
nobody, adds `weather`, 0 or -`weather` to each player's every day. Results are not shown before the end.

| agent | observation | actions |
|---|---|---|
| `player_0`, `player_1` | own clues, one-hot [days * 3], and the day [days + 1]; Box [4 days + 1] | hill, river, lake |

State: the treasure's place [3], the weather [3], both players' clues, the day; Box [7 days + 7]. Success: both are at
the treasure on the last day.

What a player sees says little about what it will be paid: the other's clues, the treasure and the weather decide that
too, and only the state holds them. A critic that reads the state has far less variance left to explain than one that
reads the player's own view. (Centralized critics do not always help: Lyu et al. 2021, Contrasting Centralized and
Decentralized Critics in Multi-Agent Reinforcement Learning.)
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

PLACES = ("hill", "river", "lake")
WEATHER = ("sun", "rain", "storm")
MEETING = 10.0
THREE = np.eye(3, dtype=np.float32)
MAX_DAYS = 3  # as far as `reference` enumerates

Observation = dict[str, np.ndarray]


def parallel_env(
    days: int = 3, accuracy: float = 0.8, weather: float = 10.0, render_mode: str | None = None
) -> Rendezvous:
    """The game over `days` days (1 to 3), with clues right at `accuracy` (1/3 to 1) and `weather` of at least 0.

    Raises ValueError outside of these.
    """
    return Rendezvous(days, accuracy, weather, render_mode)


class Rendezvous(ParallelEnv[str, Observation, int]):
    """See the module's text."""

    metadata = {"name": "rendezvous_v0", "render_modes": ["ansi"]}

    def __init__(
        self, days: int = 3, accuracy: float = 0.8, weather: float = 10.0, render_mode: str | None = None
    ) -> None:
        if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= MAX_DAYS:
            raise ValueError(f"days={days!r}; give a whole number from 1 to {MAX_DAYS}")
        if not 1 / 3 <= accuracy <= 1:
            raise ValueError(f"accuracy={accuracy!r}; give a number from 1/3 (clues say nothing) to 1")
        if not 0 <= weather < np.inf:
            raise ValueError(f"weather={weather!r}; give a finite number of at least 0")
        self.days, self.accuracy, self.weather = days, float(accuracy), float(weather)
        self.render_mode = render_mode
        self.possible_agents = ["player_0", "player_1"]
        self.agents: list[str] = []
        count = len(PLACES)
        self.action_spaces: dict[str, spaces.Discrete] = {
            agent: spaces.Discrete(count) for agent in self.possible_agents
        }
        self.observation_spaces = {
            agent: spaces.Dict(
                observation=spaces.Box(0.0, 1.0, (count * days + days + 1,), np.float32),
                action_mask=spaces.Box(0, 1, (count,), np.int8),
            )
            for agent in self.possible_agents
        }
        self.state_space = spaces.Box(0.0, 1.0, (7 * days + 7,), np.float32)
        self._rng = np.random.default_rng()
        self._treasure = self._weather = self._day = 0
        self._clues: list[tuple[int, int]] = []  # (player_0's, player_1's), a day each

    def observation_space(self, agent: str) -> spaces.Dict:
        """Dict of `observation` (Box, float32) and `action_mask` (Box [3], int8; every action is legal)."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete:
        """0: hill. 1: river. 2: lake."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Draw treasure, weather and the first clues. A `seed` restarts the env's own generator."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self.agents = list(self.possible_agents)
        self._treasure, self._weather = (int(drawn) for drawn in self._rng.integers(3, size=2))
        self._day, self._clues = 0, [self._new_clues()]
        return self._observations(), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, int]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Live one day. Raises ValueError for an action that is missing or unknown."""
        for agent in self.agents:
            if agent not in actions or not self.action_spaces[agent].contains(actions[agent]):
                raise ValueError(f"{agent} plays {actions.get(agent)!r}; give 0 (hill), 1 (river) or 2 (lake)")
        met = all(int(actions[agent]) == self._treasure for agent in self.agents)
        rewards = dict.fromkeys(self.agents, MEETING * met + self.weather * (1 - self._weather))
        self._day += 1
        over = self._day == self.days
        ended, cut = dict.fromkeys(self.agents, over), dict.fromkeys(self.agents, False)
        infos: dict[str, dict[str, Any]] = {agent: {"success": float(met)} if over else {} for agent in self.agents}
        if over:
            self.agents = []
        else:
            self._clues.append(self._new_clues())
        return self._observations(), rewards, ended, cut, infos

    def state(self) -> np.ndarray:
        """The treasure's place, the weather, player_0's clues, player_1's, the day; float32 [7 days + 7]."""
        hidden = THREE[[self._treasure, self._weather]].ravel()
        return np.concatenate([hidden, self._clue_flags(0), self._clue_flags(1), self._clock()])

    def render(self) -> str:
        """The state in words."""
        return self.describe_state()

    def rules(self, agent: str) -> str:
        """The game for one player."""
        weather = f" The weather adds {self.weather:g}, 0 or {-self.weather:g}." if self.weather else ""
        return (
            f"You are {agent}. Two friends look for a treasure: hill, river or lake. Both there: {MEETING:g} each. "
            f"Otherwise: 0. Each day each sees a place, mostly the right one.{weather}"
        )

    def describe(self, agent: str, observation: Observation) -> str:
        """The places that the player has seen, day by day."""
        clues = np.asarray(observation["observation"])[: 3 * self.days].reshape(self.days, 3).tolist()
        return f"You see: {', '.join(PLACES[clue.index(max(clue))] for clue in clues if any(clue))}."

    def action_names(self, agent: str) -> list[str]:
        """The places: hill, river, lake."""
        return list(PLACES)

    def describe_state(self) -> str:
        """Where the treasure is, and the weather."""
        return f"the treasure is at the {PLACES[self._treasure]}, the weather is {WEATHER[self._weather]}"

    def reference(self) -> dict[str, Any]:
        """The known solution, exactly: what a day pays depends on that day's choices only, so days can be summed.

        With messages both pool their clues and go where most point. Without, each plays on its own clues: the best
        pair of plans is found by going through all plans of one player, and the other's best answer to each.
        """
        days = range(1, self.days + 1)
        optimum = MEETING * sum(_pooled(self.accuracy, day) for day in days)
        bound = MEETING * sum(_apart(self.accuracy, day) for day in days)
        blind = MEETING * self.days / len(PLACES)
        plays = [
            ("pooled clues", optimum, "Both tell their clues and go to the place that most clues of both name."),
            ("own clues", bound, "Each goes by its own clues, as well as two who cannot talk can."),
            ("always the same place", blind, "Both go to one and the same place every day, whatever they see."),
        ]
        return {
            "optimum": optimum,
            "no_communication": bound,
            "equilibria": [
                {"name": name, "payoffs": dict.fromkeys(self.possible_agents, payoff), "play": play}
                for name, payoff, play in plays
            ],
            "source": "all plans of one player with the other's best answer; tests/envs/test_rendezvous.py verifies it",
        }

    def _new_clues(self) -> tuple[int, int]:
        shift = np.where(self._rng.random(2) < self.accuracy, 0, self._rng.integers(1, 3, size=2))
        first, second = (self._treasure + shift) % 3
        return int(first), int(second)

    def _clue_flags(self, seat: int) -> np.ndarray:
        flags = np.zeros((self.days, 3), dtype=np.float32)
        for day, clues in enumerate(self._clues):
            flags[day, clues[seat]] = 1.0
        return flags.ravel()

    def _clock(self) -> np.ndarray:
        clock = np.zeros(self.days + 1, dtype=np.float32)
        clock[self._day] = 1.0
        return clock

    def _observations(self) -> dict[str, Observation]:
        return {
            agent: {
                "observation": np.concatenate([self._clue_flags(seat), self._clock()]),
                "action_mask": np.ones(len(PLACES), dtype=np.int8),
            }
            for seat, agent in enumerate(self.possible_agents)
        }


def _likelihoods(accuracy: float, clues: int) -> np.ndarray:
    """P(counts | place) [count vectors, places]: how many of `clues` clues name each place."""
    sequences = np.array(list(product(range(3), repeat=clues)))
    counts = (sequences[:, :, None] == np.arange(3)).sum(axis=1)  # [sequences, places]
    chances = accuracy**counts * ((1 - accuracy) / 2) ** (clues - counts)
    kinds, member = np.unique(counts, axis=0, return_inverse=True)
    return np.stack([np.bincount(member.ravel(), chances[:, place], len(kinds)) for place in range(3)], axis=1)


def _pooled(accuracy: float, day: int) -> float:
    """Chance that the likeliest place after `day` days of two clues is right."""
    return float(_likelihoods(accuracy, 2 * day).max(axis=1).sum() / 3)


def _apart(accuracy: float, day: int) -> float:
    """The best chance that both are right after `day` days of one clue each, without messages: over all plans."""
    likelihoods = _likelihoods(accuracy, day)  # [views, places]
    plans = np.array(list(product(range(3), repeat=len(likelihoods))))  # [plans, views] -> place
    right = np.stack([(plans == place) @ likelihoods[:, place] for place in range(3)], axis=1)  # [plans, places]
    answers = (right[:, None, :] * likelihoods).max(axis=2).sum(axis=1)  # the other's best answer, view by view
    return float(answers.max() / 3)
