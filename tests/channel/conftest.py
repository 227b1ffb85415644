"""A turn-based game for the AEC wrapper: take one or two stones; who takes the last one wins."""

import numpy as np
import pytest
from gymnasium import spaces
from pettingzoo import AECEnv
from pettingzoo.utils import AgentSelector

AGENTS = ["player_0", "player_1"]


class Stones(AECEnv):
    metadata = {"name": "stones_v0", "render_modes": ["ansi"], "is_parallelizable": False}

    def __init__(self, stones=5, masked=True):
        self.size, self.masked, self.render_mode = stones, masked, "ansi"
        self.possible_agents = list(AGENTS)
        box = spaces.Box(0, stones, (2,), np.float32)
        whole = spaces.Dict(observation=box, action_mask=spaces.Box(0, 1, (2,), np.int8)) if masked else box
        self.spaces = {agent: (whole, spaces.Discrete(2)) for agent in AGENTS}
        self.state_space = box

    def observation_space(self, agent):
        return self.spaces[agent][0]

    def action_space(self, agent):
        return self.spaces[agent][1]

    def reset(self, seed=None, options=None):
        self.left = self.size if seed is None else int(np.random.default_rng(seed).integers(3, self.size + 1))
        self.agents = list(AGENTS)
        self.rewards = dict.fromkeys(AGENTS, 0.0)
        self._cumulative_rewards = dict.fromkeys(AGENTS, 0.0)
        self.terminations, self.truncations = dict.fromkeys(AGENTS, False), dict.fromkeys(AGENTS, False)
        self.infos = {agent: {} for agent in AGENTS}
        self._order = AgentSelector(self.agents)
        self.agent_selection = self._order.reset()

    def state(self):
        return np.array([self.left, 1], np.float32)

    def render(self):
        return f"{self.left} stones"

    def observe(self, agent):
        if not self.masked:
            return self.state()
        return {"observation": self.state(), "action_mask": np.array([1, self.left != 1], np.int8)}

    def step(self, action):
        agent = self.agent_selection
        if self.terminations[agent]:
            self._was_dead_step(action)
            return
        if self.masked and action + 1 > self.left:
            raise ValueError(f"{agent} takes {action + 1} of {self.left} stones")
        self._cumulative_rewards[agent] = 0.0
        self.left = max(0, self.left - action - 1)
        self._clear_rewards()
        self.rewards[agent] = 0.25  # a small reward at each move, so that the bookkeeping has something to lose
        self.agent_selection = self._order.next()
        if not self.left:
            self.rewards = {name: 1.0 if name == agent else -1.0 for name in AGENTS}
            self.terminations = dict.fromkeys(AGENTS, True)
        self._accumulate_rewards()


@pytest.fixture
def stones():
    return Stones
