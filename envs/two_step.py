"""The two-step game of QMIX: a safe 7 for both, or 8 if both trust that they will coordinate one step later.

Step 1: player_0 chooses which game follows, a: 2A, b: 2B; player_1's choice changes nothing. Step 2: both choose at
once. 2A pays 7 each, whatever they do. 2B pays 8 each if both choose b, 1 if one does, 0 if none does.

| agent | observation | actions |
|---|---|---|
| `player_0`, `player_1` | where they are, one-hot: step 1, 2A, 2B, over; Box [4] | a, b |

State: the same. Two decisions an episode. Nothing is private. Success: 8 each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

MOVES = ("a", "b")
PLACES = ("Step 1.", "Step 2, game 2A.", "Step 2, game 2B.", "The game is over.")
FIRST, GAME_2A, GAME_2B, OVER = range(4)
PAYOFFS = {GAME_2A: ((7.0, 7.0), (7.0, 7.0)), GAME_2B: ((0.0, 1.0), (1.0, 8.0))}  # [player_0's move][player_1's]

Observation = dict[str, np.ndarray]


def parallel_env(render_mode: str | None = None) -> TwoStep:
    """The game of Rashid et al. (2018)."""
    return TwoStep(render_mode)


class TwoStep(ParallelEnv[str, Observation, int]):
    """See the module's text."""

    metadata = {"name": "two_step_v0", "render_modes": ["ansi"]}

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.possible_agents = ["player_0", "player_1"]
        self.agents: list[str] = []
        self.action_spaces: dict[str, spaces.Discrete] = {
            agent: spaces.Discrete(len(MOVES)) for agent in self.possible_agents
        }
        self.observation_spaces = {
            agent: spaces.Dict(
                observation=spaces.Box(0.0, 1.0, (len(PLACES),), np.float32),
                action_mask=spaces.Box(0, 1, (len(MOVES),), np.int8),
            )
            for agent in self.possible_agents
        }
        self.state_space = spaces.Box(0.0, 1.0, (len(PLACES),), np.float32)
        self._place = FIRST

    def observation_space(self, agent: str) -> spaces.Dict:
        """Dict of `observation` (Box [4], float32) and `action_mask` (Box [2], int8; every action is legal)."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete:
        """0: a. 1: b."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Start over. The game draws nothing at random, so the seed changes nothing."""
        self.agents = list(self.possible_agents)
        self._place = FIRST
        return self._observations(), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, int]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Play one step. Raises ValueError for an action that is missing or unknown."""
        for agent in self.agents:
            if agent not in actions or not self.action_spaces[agent].contains(actions[agent]):
                raise ValueError(f"{agent} plays {actions.get(agent)!r}; give 0 (a) or 1 (b)")
        first, second = (int(actions[agent]) for agent in self.agents)
        over = self._place != FIRST
        payoff = PAYOFFS[self._place][first][second] if over else 0.0
        self._place = OVER if over else (GAME_2A, GAME_2B)[first]
        rewards = dict.fromkeys(self.agents, payoff)
        ended, cut = dict.fromkeys(self.agents, over), dict.fromkeys(self.agents, False)
        infos: dict[str, dict[str, Any]] = {
            agent: {"success": float(payoff == 8.0)} if over else {} for agent in self.agents
        }
        if over:
            self.agents = []
        return self._observations(), rewards, ended, cut, infos

    def state(self) -> np.ndarray:
        """Where the players are, one-hot, float32 [4]."""
        return np.eye(len(PLACES), dtype=np.float32)[self._place]

    def render(self) -> str:
        """The state in words."""
        return self.describe_state()

    def rules(self, agent: str) -> str:
        """The game for one player."""
        return (
            f"You are {agent}. Step 1: player_0 chooses game 2A with a, game 2B with b. Step 2: both choose at once. "
            "Game 2A: 7 each. Game 2B: both b 8 each, one b 1 each, no b 0."
        )

    def describe(self, agent: str, observation: Observation) -> str:
        """The step, and the game that is played."""
        return PLACES[int(np.argmax(observation["observation"]))]

    def action_names(self, agent: str) -> list[str]:
        """The moves: a, b."""
        return list(MOVES)

    def describe_state(self) -> str:
        """The step, and the game that is played."""
        told = PLACES[self._place].rstrip(".")
        return told[0].lower() + told[1:]

    def reference(self) -> dict[str, Any]:
        """The known solution. Both see all there is, so that messages add nothing."""
        plays = [
            ("2B, both b (subgame perfect)", 8.0, "player_0 chooses 2B, and there both choose b."),
            ("2A (safe)", 7.0, "player_0 chooses 2A, since it expects that player_1 would choose a in 2B."),
        ]
        return {
            "optimum": 8.0,
            "no_communication": 8.0,
            "equilibria": [
                {"name": name, "payoffs": dict.fromkeys(self.possible_agents, payoff), "play": play}
                for name, payoff, play in plays
            ],
            "source": (
                "Rashid et al. (2018), QMIX, the two-step game (additive mixing learns the 7, monotonic mixing the 8); "
                "tests/envs/test_two_step.py verifies it by enumerating the pure strategies"
            ),
        }

    def _observations(self) -> dict[str, Observation]:
        return {
            agent: {"observation": self.state(), "action_mask": np.ones(len(MOVES), dtype=np.int8)}
            for agent in self.possible_agents
        }
