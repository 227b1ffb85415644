"""mpe2's `simple_speaker_listener_v4`: a batched twin in NumPy, and a text face for the env itself.

The speaker sees which of three landmarks is the goal and can only speak; the listener sees the landmarks and hears
the last word. Both receive minus the squared distance from listener to goal, 25 times (Lowe et al. 2017, Multi-Agent
Actor-Critic for Mixed Cooperative-Competitive Environments; Mordatch and Abbeel 2017).

| agent | observation | actions |
|---|---|---|
| `speaker_0` | the goal's color [3] | 3 words |
| `listener_0` | own velocity [2], the landmarks from itself [6], the last word [3] | stay, left, right, down, up |

State: both observations, [14]. `parallel_env` needs `pip install "parley-marl[mpe]"`; the twin needs NumPy only.

`SpeakerListenerArrays` keeps the array-env contract, for networks that learn from many copies at once: `agents`,
`count`; `reset(rng)`, `observations()`, `masks()`, `state()`, `step(actions)`. All `count` copies run in lockstep and
end together. docs/environments.md describes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SPEAKER, LISTENER = "speaker_0", "listener_0"
COLORS = ("red", "green", "blue")
WORDS = ("alpha", "beta", "gamma")
MOVES = ("stay", "left", "right", "down", "up")
COLOR_VALUES = np.full((3, 3), 0.15) + 0.5 * np.eye(3)  # [landmark, RGB]
DIRECTIONS = np.array([[0.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])
DT, DAMPING, SENSITIVITY = 0.1, 0.25, 5.0  # seconds a step; share of speed lost a step; force of a move


class SpeakerListenerArrays:
    """`count` copies of the game in lockstep; the same numbers as mpe2 1.1.1, step by step.

    Public arrays, which may be set between `reset` and `step`: `position` and `velocity` of the listeners [N, 2],
    `landmarks` [N, 3, 2], `goal` [N] (landmark index), `word` [N] (last word's index, -1 before the first).
    """

    agents = (SPEAKER, LISTENER)

    def __init__(self, count: int, max_cycles: int = 25) -> None:
        for name, value in (("count", count), ("max_cycles", max_cycles)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r}; give a whole number of at least 1")
        self.count, self.max_cycles = count, max_cycles
        self._actions = {SPEAKER: len(WORDS), LISTENER: len(MOVES)}
        self._cycle = max_cycles  # nothing to step before the first reset

    def reset(self, rng: np.random.Generator) -> None:
        """Draw goals, listeners and landmarks of all copies, uniformly (positions in [-1, 1]^2)."""
        self.goal = rng.integers(len(COLORS), size=self.count)
        self.position = rng.uniform(-1.0, 1.0, (self.count, 2))
        self.landmarks = rng.uniform(-1.0, 1.0, (self.count, len(COLORS), 2))
        self.velocity = np.zeros((self.count, 2))
        self.word = np.full(self.count, -1)
        self._cycle = 0

    def observations(self) -> dict[str, np.ndarray]:
        """What each agent sees: speaker_0 float32 [N, 3], listener_0 float32 [N, 11]."""
        seen = (self.landmarks - self.position[:, None]).reshape(self.count, -1)
        heard = self.word[:, None] == np.arange(len(WORDS))
        return {
            SPEAKER: COLOR_VALUES[self.goal].astype(np.float32),
            LISTENER: np.concatenate([self.velocity, seen, heard], axis=1).astype(np.float32),
        }

    def masks(self) -> dict[str, np.ndarray]:
        """Which actions are legal: all; bool [N, 3] and [N, 5]."""
        return {agent: np.ones((self.count, number), dtype=bool) for agent, number in self._actions.items()}

    def state(self) -> np.ndarray:
        """Both observations side by side, float32 [N, 14]."""
        return np.concatenate(list(self.observations().values()), axis=1)

    def step(self, actions: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """One cycle: (rewards {agent: float [N]}, terminated bool [N], truncated bool [N]).

        `actions` holds an int array [N] for each agent. Raises ValueError for other actions, and after the end.
        """
        if self._cycle >= self.max_cycles:
            raise ValueError(f"the episodes are over after {self.max_cycles} cycles; call reset(rng) first")
        for agent, number in self._actions.items():
            given = np.asarray(actions.get(agent, ()))
            if given.shape != (self.count,) or given.dtype.kind not in "iu" or ((given < 0) | (given >= number)).any():
                raise ValueError(f"{agent} plays {given!r}; give {self.count} whole numbers from 0 to {number - 1}")
        # mpe2 moves with the old velocity first, then damps it and adds the new force.
        self.position = self.position + self.velocity * DT
        force = SENSITIVITY * DIRECTIONS[np.asarray(actions[LISTENER])]
        self.velocity = self.velocity * (1 - DAMPING) + force * DT
        self.word = np.asarray(actions[SPEAKER]).copy()
        self._cycle += 1
        reward = -np.square(self.position - self.landmarks[np.arange(self.count), self.goal]).sum(axis=1)
        ended, cut = np.zeros(self.count, dtype=bool), np.full(self.count, self._cycle >= self.max_cycles)
        return {SPEAKER: reward, LISTENER: reward.copy()}, ended, cut


def parallel_env(max_cycles: int = 25, render_mode: str | None = None) -> Any:
    """mpe2's own env, discrete actions. Raises ImportError saying what to install where mpe2 is missing."""
    try:
        from mpe2 import simple_speaker_listener_v4
    except ImportError as error:
        raise ImportError(
            'speaker_listener plays mpe2\'s env, which is not installed; pip install "parley-marl[mpe]" (or mpe2)'
        ) from error
    return simple_speaker_listener_v4.parallel_env(max_cycles=max_cycles, render_mode=render_mode)


class TextFace:
    """mpe2's env in words: the adapter that a scenario names under `env.text`."""

    def __init__(self, env: Any) -> None:
        self.env = env

    def rules(self, agent: str) -> str:
        """The game for one agent."""
        return (
            f"You are {agent}. Only {SPEAKER} sees the goal: {', '.join(COLORS)}. {SPEAKER} says a word, {LISTENER} "
            "moves. The nearer to the goal, the better for both."
        )

    def describe(self, agent: str, observation: np.ndarray) -> str:
        """The speaker's goal, or where the landmarks are, how the listener moves and the last word it heard."""
        flags = np.asarray(observation).tolist()
        if agent == SPEAKER:
            return f"You see: the goal is {COLORS[flags.index(max(flags))]}."
        velocity, landmarks, heard = flags[:2], [flags[at : at + 2] for at in (2, 4, 6)], flags[8:]
        told = [f"{color} {_whither(offset, 0.1)}" for color, offset in zip(COLORS, landmarks, strict=True)]
        word = f" {SPEAKER}: {WORDS[heard.index(max(heard))]}." if any(heard) else ""
        return f"You see: {', '.join(told)}. You go: {_whither(velocity, 0.25)}.{word}"

    def action_names(self, agent: str) -> list[str]:
        """The speaker: alpha, beta, gamma, which mean nothing yet. The listener: stay, left, right, down, up."""
        return list(WORDS if agent == SPEAKER else MOVES)

    def describe_state(self) -> str:
        """Which landmark is the goal."""
        goal = self.env.world.agents[0].goal_b
        return f"the goal is {COLORS[self.env.world.landmarks.index(goal)]}"


def _whither(offset: Sequence[float], least: float) -> str:
    """An offset (x, y) in words, farther axis first: "far left up", "right", or "here" below `least` on both axes."""
    named = [
        (abs(value), f"far {name}" if abs(value) > 1 else name)
        for value, name in zip(
            offset, ("left" if offset[0] < 0 else "right", "down" if offset[1] < 0 else "up"), strict=True
        )
        if abs(value) >= least
    ]
    return " ".join(name for _, name in sorted(named, reverse=True)) or "here"
