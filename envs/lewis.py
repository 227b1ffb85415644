"""Lewis signaling: one sees, the other must say what was seen.

One of N colors is drawn uniformly. Only the sender sees it; the receiver must name it. Right: 1 each. Wrong: 0 each.
The sender's own action ("wait") changes nothing: whatever it tells the receiver goes through the channel.

| agent | observation | actions |
|---|---|---|
| `sender_0` | one-hot of the color, Box [N+1] (the last entry means "not seen") | wait |
| `receiver_0` | the same box, always "not seen" | N colors |

State: one-hot of the color, Box [N]. One decision an episode. Success: the receiver is right.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

COLORS = ("red", "green", "blue", "white", "black", "yellow", "brown", "gray")
SENDER, RECEIVER = "sender_0", "receiver_0"

Observation = dict[str, np.ndarray]


def parallel_env(states: int = 4, render_mode: str | None = None) -> Lewis:
    """The game with `states` colors (2 to 8). Raises ValueError outside that range."""
    return Lewis(states, render_mode)


class Lewis(ParallelEnv[str, Observation, int]):
    """See the module's text."""

    metadata = {"name": "lewis_v0", "render_modes": ["ansi"]}

    def __init__(self, states: int = 4, render_mode: str | None = None) -> None:
        if isinstance(states, bool) or not isinstance(states, int) or not 2 <= states <= len(COLORS):
            raise ValueError(f"states={states!r}; give a whole number from 2 to {len(COLORS)}")
        self.colors = COLORS[:states]
        self.render_mode = render_mode
        self.possible_agents = [SENDER, RECEIVER]
        self.agents: list[str] = []
        self.action_spaces: dict[str, spaces.Discrete] = {
            agent: spaces.Discrete(len(self.action_names(agent))) for agent in self.possible_agents
        }
        self.observation_spaces = {
            agent: spaces.Dict(
                observation=spaces.Box(0.0, 1.0, (states + 1,), np.float32),
                action_mask=spaces.Box(0, 1, (len(self.action_names(agent)),), np.int8),
            )
            for agent in self.possible_agents
        }
        self.state_space = spaces.Box(0.0, 1.0, (states,), np.float32)
        self._rng = np.random.default_rng()
        self._color = 0

    def observation_space(self, agent: str) -> spaces.Dict:
        """Dict of `observation` (Box [N+1], float32) and `action_mask` (Box, int8; every action is legal)."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete:
        """The sender waits (0); the receiver names a color (0 to N-1)."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Draw the color. A `seed` restarts the env's own generator; without one it draws on."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self.agents = list(self.possible_agents)
        self._color = int(self._rng.integers(len(self.colors)))
        return self._observations(), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, int]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """The receiver names a color and the episode ends. Raises ValueError for a missing or unknown action."""
        for agent in self.agents:
            if agent not in actions or not self.action_spaces[agent].contains(actions[agent]):
                names = self.action_names(agent)
                raise ValueError(
                    f"{agent} plays {actions.get(agent)!r}; give a whole number from 0 to {len(names) - 1} "
                    f"({', '.join(names)})"
                )
        right = float(int(actions[RECEIVER]) == self._color) if self.agents else 0.0
        rewards = dict.fromkeys(self.agents, right)
        ended, cut = dict.fromkeys(self.agents, True), dict.fromkeys(self.agents, False)
        infos: dict[str, dict[str, Any]] = {agent: {"success": right} for agent in self.agents}
        self.agents = []
        return self._observations(), rewards, ended, cut, infos

    def state(self) -> np.ndarray:
        """One-hot of the color, float32 [N]."""
        return np.eye(len(self.colors), dtype=np.float32)[self._color]

    def render(self) -> str:
        """The state in words."""
        return self.describe_state()

    def rules(self, agent: str) -> str:
        """The game for one agent."""
        return (
            f"You are {agent}. Colors: {', '.join(self.colors)}. Only {SENDER} sees the color. "
            f"If {RECEIVER} names it: 1 each. Otherwise: 0."
        )

    def describe(self, agent: str, observation: Observation) -> str:
        """What the agent sees."""
        seen = int(np.argmax(observation["observation"]))
        if seen == len(self.colors):
            return "You do not see the color."
        return f"You see: the color is {self.colors[seen]}."

    def action_names(self, agent: str) -> list[str]:
        """The sender: "wait". The receiver: the colors."""
        return ["wait"] if agent == SENDER else list(self.colors)

    def describe_state(self) -> str:
        """Which color was drawn."""
        return f"the color is {self.colors[self._color]}"

    def reference(self) -> dict[str, Any]:
        """The known solution, with at least N messages: a signaling system pays 1; j colors told apart pay j / N."""
        count = len(self.colors)
        return {
            "optimum": 1.0,
            "no_communication": 1.0 / count,
            "equilibria": [self._equilibrium(named) for named in range(count, 0, -1)],
            "source": (
                "Lewis (1969), Convention, chapter IV; partial pooling: Huttegger (2007), Evolution and the "
                "Explanation of Meaning; tests/envs/test_lewis.py verifies it by enumeration"
            ),
        }

    def _equilibrium(self, named: int) -> dict[str, Any]:
        count = len(self.colors)
        if named == count:
            name, play = "signaling system", "Every color has a message of its own and the receiver names it."
        elif named == 1:
            name, play = "pooling", "The receiver names the same color, whatever the message."
        else:
            name = f"partial pooling ({named} of {count} colors told apart)"
            play = f"The receiver only ever names {named} of the {count} colors; the others share their messages."
        return {
            "name": name,
            "payoffs": dict.fromkeys(self.possible_agents, named / count),
            "play": play,
            "situation_payoffs": [1.0] * named + [0.0] * (count - named),
        }

    def _observations(self) -> dict[str, Observation]:
        count = len(self.colors)
        seen = {SENDER: self._color, RECEIVER: count}
        return {
            agent: {
                "observation": np.eye(count + 1, dtype=np.float32)[seen[agent]],
                "action_mask": np.ones(len(self.action_names(agent)), dtype=np.int8),
            }
            for agent in self.possible_agents
        }
