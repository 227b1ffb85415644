"""Stag hunt, repeated: hunting the stag pays most and is risky.

Both players choose stag or hare at once, `rounds` times. A round pays: both stag 10 each; stag alone 1; hare against
a stag hunter 8; both hare 5 each (the symmetric stag hunt with 10 > 8 >= 5 > 1).

| agent | observation | actions |
|---|---|---|
| `player_0`, `player_1` | past moves one-hot (own, other's), and the round; Box [rounds * 5 + 1] | stag, hare |

State: the same with player_0 as "own". Nothing is private, so that messages can only say what one means to do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

MOVES = ("stag", "hare")
STAG, HARE = 0, 1
PAYOFFS = {(STAG, STAG): 10.0, (STAG, HARE): 1.0, (HARE, STAG): 8.0, (HARE, HARE): 5.0}  # (own, other's) -> own
MAX_ROUNDS = 64

Observation = dict[str, np.ndarray]


def parallel_env(rounds: int = 4, render_mode: str | None = None) -> StagHunt:
    """The game over `rounds` rounds (1 to 64). Raises ValueError outside that range."""
    return StagHunt(rounds, render_mode)


class StagHunt(ParallelEnv[str, Observation, int]):
    """See the module's text."""

    metadata = {"name": "stag_hunt_v0", "render_modes": ["ansi"]}

    def __init__(self, rounds: int = 4, render_mode: str | None = None) -> None:
        if isinstance(rounds, bool) or not isinstance(rounds, int) or not 1 <= rounds <= MAX_ROUNDS:
            raise ValueError(f"rounds={rounds!r}; give a whole number from 1 to {MAX_ROUNDS}")
        self.rounds = rounds
        self.render_mode = render_mode
        self.possible_agents = ["player_0", "player_1"]
        self.agents: list[str] = []
        size = rounds * 5 + 1
        self.action_spaces: dict[str, spaces.Discrete] = {
            agent: spaces.Discrete(len(MOVES)) for agent in self.possible_agents
        }
        self.observation_spaces = {
            agent: spaces.Dict(
                observation=spaces.Box(0.0, 1.0, (size,), np.float32),
                action_mask=spaces.Box(0, 1, (len(MOVES),), np.int8),
            )
            for agent in self.possible_agents
        }
        self.state_space = spaces.Box(0.0, 1.0, (size,), np.float32)
        self._history: list[tuple[int, int]] = []

    def observation_space(self, agent: str) -> spaces.Dict:
        """Dict of `observation` (Box, float32) and `action_mask` (Box [2], int8; every action is legal)."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete:
        """0: stag. 1: hare."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Start over. The game draws nothing at random, so the seed changes nothing."""
        self.agents = list(self.possible_agents)
        self._history = []
        return self._observations(), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, int]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Play one round. Raises ValueError for an action that is missing or unknown."""
        for agent in self.agents:
            if agent not in actions or not self.action_spaces[agent].contains(actions[agent]):
                raise ValueError(f"{agent} plays {actions.get(agent)!r}; give 0 (stag) or 1 (hare)")
        moves = [int(actions[agent]) for agent in self.agents]
        first, second = moves
        self._history.append((first, second))
        rewards = dict(zip(self.agents, (PAYOFFS[first, second], PAYOFFS[second, first]), strict=True))
        over = len(self._history) == self.rounds
        ended, cut = dict.fromkeys(self.agents, over), dict.fromkeys(self.agents, False)
        infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}
        if over:
            self.agents = []
        return self._observations(), rewards, ended, cut, infos

    def state(self) -> np.ndarray:
        """Every past move and the round, float32 [rounds * 5 + 1]."""
        return self._encoded(self._history)

    def render(self) -> str:
        """The state in words."""
        return self.describe_state()

    def rules(self, agent: str) -> str:
        """The game for one player."""
        times = "once" if self.rounds == 1 else f"for {self.rounds} rounds"
        return (
            f"You are {agent}. Two hunters choose stag or hare {times}. Both stag: 10 each. "
            "Stag alone: 1. Hare against stag: 8. Both hare: 5 each."
        )

    def describe(self, agent: str, observation: Observation) -> str:
        """The round, and every past round's moves."""
        flags = np.asarray(observation["observation"])
        played = int(np.argmax(flags[self.rounds * 4 :]))
        moves = flags[: self.rounds * 4].reshape(self.rounds, 2, 2).argmax(axis=2)[:played]
        now = "The game is over." if played == self.rounds else f"Round {played + 1} of {self.rounds}."
        past = [f"Round {n}: you {MOVES[own]}, other {MOVES[other]}." for n, (own, other) in enumerate(moves, 1)]
        return " ".join([*past, now])

    def action_names(self, agent: str) -> list[str]:
        """The names of the moves: stag, hare."""
        return list(MOVES)

    def describe_state(self) -> str:
        """Every round's moves so far."""
        if not self._history:
            return "no round has been played"
        return "; ".join(
            f"round {n}: player_0 {MOVES[first]}, player_1 {MOVES[second]}"
            for n, (first, second) in enumerate(self._history, 1)
        )

    def reference(self) -> dict[str, Any]:
        """The known solution: the stage game's three equilibria, each played in every round.

        Both stag can be reached without any message, so the no-communication bound is the optimum: messages can
        only help the players to trust each other.
        """
        share = 2 / 3  # of stag, which makes the other indifferent: 10p + (1 - p) = 8p + 5(1 - p)
        plays = [
            ("both stag (payoff dominant)", 10.0, "Both players hunt the stag in every round."),
            ("both hare (risk dominant)", 5.0, "Both players hunt the hare in every round."),
            ("mixed", 10 * share + (1 - share), "Both players hunt the stag with probability 2/3 in every round."),
        ]
        return {
            "optimum": 10.0 * self.rounds,
            "no_communication": 10.0 * self.rounds,
            "equilibria": [
                {"name": name, "payoffs": dict.fromkeys(self.possible_agents, stage * self.rounds), "play": play}
                for name, stage, play in plays
            ],
            "source": (
                "Harsanyi and Selten (1988), A General Theory of Equilibrium Selection in Games, on payoff and risk "
                "dominance; playing a stage equilibrium in every round is subgame perfect; "
                "tests/envs/test_stag_hunt.py verifies it by enumeration"
            ),
        }

    def _encoded(self, history: list[tuple[int, int]]) -> np.ndarray:
        moves = np.zeros((self.rounds, 2, 2), dtype=np.float32)
        for number, pair in enumerate(history):
            moves[number, (0, 1), pair] = 1.0
        clock = np.eye(self.rounds + 1, dtype=np.float32)[len(history)]
        return np.concatenate([moves.ravel(), clock])

    def _observations(self) -> dict[str, Observation]:
        views = (self._history, [(second, first) for first, second in self._history])
        return {
            agent: {"observation": self._encoded(view), "action_mask": np.ones(len(MOVES), dtype=np.int8)}
            for agent, view in zip(self.possible_agents, views, strict=True)
        }
