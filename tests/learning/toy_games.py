"""Small games for the learning tests: known best play, and every way in which an env can go wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

COLORS = ("red", "green", "blue")


class Doors(ParallelEnv[str, Any, int]):
    """Each agent sees a color and is paid 1 for naming it, or for naming color number `prize` whatever it sees. `steps`
    decisions; then the episode ends, or is cut when `cut`. `fault`: "raise" fails every third episode, "nan" pays NaN.
    """

    metadata = {"name": "doors_v0"}

    def __init__(
        self,
        agents: int = 1,
        steps: int = 1,
        prize: int | None = None,
        cut: bool = False,
        fault: str = "",
        stateless: bool = False,
    ) -> None:
        self.possible_agents = [f"guest_{number}" for number in range(agents)]
        self.agents: list[str] = []
        self.steps, self.prize, self.cut, self.fault, self.stateless = steps, prize, cut, fault, stateless
        self._rng = np.random.default_rng()
        self.render_mode = None

    def observation_space(self, agent: str) -> spaces.Space:
        return spaces.Dict(
            observation=spaces.Box(0.0, 1.0, (3,), np.float32), action_mask=spaces.Box(0, 1, (3,), np.int8)
        )

    def action_space(self, agent: str) -> spaces.Space:
        return spaces.Discrete(3)

    @property
    def state_space(self) -> spaces.Space:
        return spaces.Box(0.0, 1.0, (3 * len(self.possible_agents),), np.float32)

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self.agents = list(self.possible_agents)
        self.time = 0
        self.broken = self.fault == "raise" and int(self._rng.integers(3)) == 0
        self._draw()
        return self._observe(), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, int]) -> Any:
        if self.broken:
            raise RuntimeError("the door is stuck")
        wanted = {agent: self.colors[agent] if self.prize is None else self.prize for agent in self.agents}
        right = {agent: float(actions[agent] == wanted[agent]) for agent in self.agents}
        rewards = {agent: float("nan") if self.fault == "nan" else right[agent] for agent in self.agents}
        self.time += 1
        self._draw()
        over = self.time >= self.steps
        ended = dict.fromkeys(self.agents, over and not self.cut)
        cut = dict.fromkeys(self.agents, over and self.cut)
        observations, infos = self._observe(), {agent: {} for agent in self.agents}
        if over:
            self.agents = []
        return observations, rewards, ended, cut, infos

    def _draw(self) -> None:
        self.colors = {agent: int(self._rng.integers(3)) for agent in self.possible_agents}

    def _observe(self) -> Any:
        eye, mask = np.eye(3, dtype=np.float32), np.ones(3, np.int8)
        return {agent: {"observation": eye[self.colors[agent]], "action_mask": mask} for agent in self.agents}

    def state(self) -> np.ndarray:
        if self.stateless:
            raise NotImplementedError
        return np.concatenate([np.eye(3, dtype=np.float32)[self.colors[agent]] for agent in self.possible_agents])

    def rules(self, agent: str) -> str:
        return "Name the color of your door."

    def describe(self, agent: str, observation: Any) -> str:
        color = COLORS[int(np.argmax(observation["observation"]))]
        return f"Your door is {color}."

    def action_names(self, agent: str) -> list[str]:
        return list(COLORS)

    def describe_state(self) -> str:
        return ", ".join(f"the door of {agent} is {COLORS[color]}" for agent, color in self.colors.items())


class Matrix(ParallelEnv[str, Any, int]):
    """Two agents choose once and at the same time. `payoffs[a][b]` is paid to both, or from guest_1 to guest_0."""

    metadata = {"name": "matrix_v0"}

    def __init__(self, payoffs: list[list[float]], zero_sum: bool = False) -> None:
        self.payoffs, self.zero_sum = np.array(payoffs), zero_sum
        self.possible_agents = ["guest_0", "guest_1"]
        self.agents: list[str] = []
        self.render_mode = None

    def observation_space(self, agent: str) -> spaces.Space:
        return spaces.Box(0.0, 1.0, (1,), np.float32)

    def action_space(self, agent: str) -> spaces.Space:
        return spaces.Discrete(self.payoffs.shape[self.possible_agents.index(agent)])

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.agents = list(self.possible_agents)
        return dict.fromkeys(self.agents, self.state()), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, int]) -> Any:
        paid = float(self.payoffs[actions["guest_0"], actions["guest_1"]])
        rewards = {"guest_0": paid, "guest_1": -paid if self.zero_sum else paid}
        agents, self.agents = self.agents, []
        ended, cut = dict.fromkeys(agents, True), dict.fromkeys(agents, False)
        return dict.fromkeys(agents, self.state()), rewards, ended, cut, {agent: {} for agent in agents}

    def state(self) -> np.ndarray:
        return np.ones(1, np.float32)

    def rules(self, agent: str) -> str:
        return "Pull a lever."

    def describe(self, agent: str, observation: Any) -> str:
        return "There are levers."

    def action_names(self, agent: str) -> list[str]:
        return [f"lever {number}" for number in range(int(self.action_space(agent).n))]

    def describe_state(self) -> str:
        return "levers"


class Recall(ParallelEnv[str, Any, int]):
    """Each of the agents sees a bit once, then nothing for `wait` steps; its last action is paid 1 where it names it.

    All that is seen but the first time is the same, so that who does not remember is right half of the time.
    """

    metadata = {"name": "recall_v0"}

    def __init__(self, agents: int = 1, wait: int = 2) -> None:
        self.possible_agents = [f"guest_{number}" for number in range(agents)]
        self.agents: list[str] = []
        self.wait = wait
        self._rng = np.random.default_rng()
        self.render_mode = None

    def observation_space(self, agent: str) -> spaces.Space:
        return spaces.Box(-1.0, 1.0, (1,), np.float32)

    def action_space(self, agent: str) -> spaces.Space:
        return spaces.Discrete(2)

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self.agents, self.time = list(self.possible_agents), 0
        self.bits = {agent: int(self._rng.integers(2)) for agent in self.agents}
        return self._observe(), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, int]) -> Any:
        over = self.time == self.wait
        rewards = {agent: float(over and actions[agent] == self.bits[agent]) for agent in self.agents}
        self.time += 1
        seen, infos = self._observe(), {agent: {} for agent in self.agents}
        ended, cut = dict.fromkeys(self.agents, over), dict.fromkeys(self.agents, False)
        self.agents = [] if over else self.agents
        return seen, rewards, ended, cut, infos

    def _observe(self) -> Any:
        return {agent: np.array([2 * bit - 1 if self.time == 0 else 0], np.float32) for agent, bit in self.bits.items()}

    def state(self) -> np.ndarray:
        return np.array([self.time, *self.bits.values()], np.float32)

    def rules(self, agent: str) -> str:
        return "Name the bit that you saw first."

    def describe(self, agent: str, observation: Any) -> str:
        return f"You see {observation[0]:.0f}."

    def action_names(self, agent: str) -> list[str]:
        return ["zero", "one"]

    def describe_state(self) -> str:
        return f"{self.bits} at {self.time}"
