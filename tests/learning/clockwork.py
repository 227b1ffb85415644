"""A game without chance, once as a PettingZoo env and once as arrays: what the two sampling paths must agree on."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

AGENTS = ("guest_0", "guest_1")
STEPS, ACTIONS = 4, 3


def legal(agent: str, time: int) -> list[bool]:
    """guest_1 has one legal action at time 1."""
    return [True, not (agent == "guest_1" and time == 1), not (agent == "guest_1" and time == 1)]


def pay(agent: str, actions: dict[str, int], time: int) -> float:
    return (1.0 if agent == "guest_0" else -0.5) * (actions["guest_0"] + 2 * actions["guest_1"] + time)


class Clockwork(ParallelEnv[str, Any, int]):
    """Both see the time and what both did last; both choosing action 2 ends it, and it is cut after STEPS."""

    metadata = {"name": "clockwork_v0"}

    def __init__(self) -> None:
        self.possible_agents = list(AGENTS)
        self.agents: list[str] = []
        self.render_mode = None
        self._spaces = {
            agent: spaces.Dict(
                observation=spaces.Box(-1.0, 9.0, (2 if agent == "guest_0" else 3,), np.float32),
                action_mask=spaces.Box(0, 1, (ACTIONS,), np.int8),
            )
            for agent in AGENTS
        }
        self._actions = {agent: spaces.Discrete(ACTIONS) for agent in AGENTS}

    def observation_space(self, agent: str) -> spaces.Space:
        return self._spaces[agent]

    def action_space(self, agent: str) -> spaces.Space:
        return self._actions[agent]

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.agents, self.time, self.last = list(AGENTS), 0, dict.fromkeys(AGENTS, -1)
        return self._observe(), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, int]) -> Any:
        rewards = {agent: pay(agent, actions, self.time) for agent in AGENTS}
        self.time, self.last = self.time + 1, dict(actions)
        ended = all(action == 2 for action in actions.values())
        cut = self.time >= STEPS and not ended
        self.agents = [] if ended or cut else self.agents
        flags = dict.fromkeys(AGENTS, ended), dict.fromkeys(AGENTS, cut)
        return self._observe(), rewards, *flags, {agent: {} for agent in AGENTS}

    def _observe(self) -> Any:
        seen = {"guest_0": [self.time, self.last["guest_0"]], "guest_1": [self.time, *self.last.values()]}
        return {
            agent: {
                "observation": np.array(seen[agent], np.float32),
                "action_mask": np.array(legal(agent, self.time), np.int8),
            }
            for agent in AGENTS
        }

    def state(self) -> np.ndarray:
        return np.array([self.time, *self.last.values()], np.float32)

    def rules(self, agent: str) -> str:
        return "Choose."

    def describe(self, agent: str, observation: Any) -> str:
        return f"It is {observation['observation'][0]:.0f} o'clock."

    def action_names(self, agent: str) -> list[str]:
        return ["tick", "tock", "stop"]

    def describe_state(self) -> str:
        return f"{self.time} o'clock"


class ClockworkArrays:
    """The same for N copies at once. `fault` makes it pay NaN, or leave nothing legal."""

    agents = AGENTS

    def __init__(self, count: int, fault: str = "") -> None:
        self.count, self.fault = count, fault

    def reset(self, rng: np.random.Generator) -> None:
        self.time, self.last = 0, {agent: np.full(self.count, -1) for agent in AGENTS}

    def observations(self) -> dict[str, np.ndarray]:
        time = np.full(self.count, self.time)
        seen = {"guest_0": [time, self.last["guest_0"]], "guest_1": [time, *self.last.values()]}
        return {agent: np.stack(columns, axis=1).astype(np.float32) for agent, columns in seen.items()}

    def masks(self) -> dict[str, np.ndarray]:
        mask = {agent: np.tile(legal(agent, self.time), (self.count, 1)) for agent in AGENTS}
        return {agent: rows & (self.fault != "mask") for agent, rows in mask.items()}

    def state(self) -> np.ndarray:
        return np.stack([np.full(self.count, self.time), *self.last.values()], axis=1).astype(np.float32)

    def step(self, actions: dict[str, np.ndarray]) -> Any:
        rewards = {agent: np.asarray(pay(agent, actions, self.time), float) for agent in AGENTS}
        if self.fault == "nan":
            rewards["guest_1"][0] = np.nan
        self.time, self.last = self.time + 1, dict(actions)
        ended = (actions["guest_0"] == 2) & (actions["guest_1"] == 2)
        return rewards, ended, np.full(self.count, self.time >= STEPS) & ~ended
