"""Scout hunt: a stag hunt in which one hunter alone knows where the stag is.

The stag is in one of K valleys, uniformly at random, and only the scout sees which. Both hunters then choose at
once a valley or the hare. Both in the stag's valley: 10 each. Hare: 5, whatever the other does. Otherwise 0.

| agent | observation | actions |
|---|---|---|
| `scout_0` | one-hot of the stag's valley, Box [K+1] (the last entry means "not seen") | K valleys, hare |
| `partner_0` | the same box, always "not seen" | K valleys, hare |

State: one-hot of the stag's valley, Box [K]. One decision an episode. Success: both hunters are at the stag.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

VALLEYS = ("north", "east", "south", "west", "river", "forest", "lake", "hill")
SCOUT, PARTNER = "scout_0", "partner_0"
STAG_PAYOFF, HARE_PAYOFF, MISS_PAYOFF = 10.0, 5.0, 0.0

Observation = dict[str, np.ndarray]


def parallel_env(valleys: int = 4, render_mode: str | None = None) -> ScoutHunt:
    """The game with `valleys` valleys (2 to 8). Raises ValueError outside that range."""
    return ScoutHunt(valleys, render_mode)


class ScoutHunt(ParallelEnv[str, Observation, int]):
    """See the module's text."""

    metadata = {"name": "scout_hunt_v0", "render_modes": ["ansi"]}

    def __init__(self, valleys: int = 4, render_mode: str | None = None) -> None:
        if isinstance(valleys, bool) or not isinstance(valleys, int) or not 2 <= valleys <= len(VALLEYS):
            raise ValueError(f"valleys={valleys!r}; give a whole number from 2 to {len(VALLEYS)}")
        self.valleys = VALLEYS[:valleys]
        self.hare = valleys
        self.render_mode = render_mode
        self.possible_agents = [SCOUT, PARTNER]
        self.agents: list[str] = []
        self.action_spaces: dict[str, spaces.Discrete] = {
            agent: spaces.Discrete(valleys + 1) for agent in self.possible_agents
        }
        self.observation_spaces = {
            agent: spaces.Dict(
                observation=spaces.Box(0.0, 1.0, (valleys + 1,), np.float32),
                action_mask=spaces.Box(0, 1, (valleys + 1,), np.int8),
            )
            for agent in self.possible_agents
        }
        self.state_space = spaces.Box(0.0, 1.0, (valleys,), np.float32)
        self._rng = np.random.default_rng()
        self._stag = 0

    def observation_space(self, agent: str) -> spaces.Dict:
        """Dict of `observation` (Box [K+1], float32) and `action_mask` (Box [K+1], int8; every action is legal)."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete:
        """0 to K-1: that valley. K: hare."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Place the stag. A `seed` restarts the env's own generator; without one it draws on."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self.agents = list(self.possible_agents)
        self._stag = int(self._rng.integers(len(self.valleys)))
        return self._observations(), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, int]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Both hunters move and the episode ends. Raises ValueError for an action that is missing or unknown."""
        for agent in self.agents:
            if agent not in actions or not self.action_spaces[agent].contains(actions[agent]):
                raise ValueError(
                    f"{agent} plays {actions.get(agent)!r}; give a whole number from 0 to {self.hare} "
                    f"({', '.join(self.action_names(agent))})"
                )
        caught = all(int(actions[agent]) == self._stag for agent in self.agents)
        rewards = {
            agent: STAG_PAYOFF if caught else HARE_PAYOFF if actions[agent] == self.hare else MISS_PAYOFF
            for agent in self.agents
        }
        ended, cut = dict.fromkeys(self.agents, True), dict.fromkeys(self.agents, False)
        infos: dict[str, dict[str, Any]] = {agent: {"success": float(caught)} for agent in self.agents}
        self.agents = []
        return self._observations(), rewards, ended, cut, infos

    def state(self) -> np.ndarray:
        """One-hot of the stag's valley, float32 [K]."""
        return np.eye(len(self.valleys), dtype=np.float32)[self._stag]

    def render(self) -> str:
        """The state in words."""
        return self.describe_state()

    def rules(self, agent: str) -> str:
        """The game for one hunter, in at most 45 words."""
        return (
            f"You are {agent}. Valleys: {', '.join(self.valleys)}. Only {SCOUT} sees the stag. "
            f"Both hunters in its valley: {STAG_PAYOFF:g} each. Hare: {HARE_PAYOFF:g} for sure. "
            f"Otherwise: {MISS_PAYOFF:g}."
        )

    def describe(self, agent: str, observation: Observation) -> str:
        """What the hunter sees."""
        seen = int(np.argmax(observation["observation"]))
        if seen == len(self.valleys):
            return "You do not see the stag."
        return f"You see: the stag is in the {self.valleys[seen]} valley."

    def action_names(self, agent: str) -> list[str]:
        """The valleys' names, then "hare"."""
        return [*self.valleys, "hare"]

    def describe_state(self) -> str:
        """Where the stag is."""
        return f"the stag is in the {self.valleys[self._stag]} valley"

    def reference(self) -> dict[str, Any]:
        """The known solution.

        With a channel the scout names the valley: 10 each. Without a message the best is the better of hare for
        both (5 each) and of the scout joining when the stag is where the partner always goes,
        (15 + 5K) / 2K each on average: more than 5 for K = 2 only.
        """
        count = len(self.valleys)
        return {
            "optimum": STAG_PAYOFF,
            "no_communication": max(HARE_PAYOFF, (15.0 + 5.0 * count) / (2 * count)),
            "equilibria": [self._equilibrium(named) for named in range(count, -1, -1)],
            "source": (
                "every way of naming some valleys and taking the hare otherwise is an equilibrium with a channel; "
                "tests/envs/test_scout_hunt.py verifies all of this by enumerating the pure strategies"
            ),
        }

    def _equilibrium(self, named: int) -> dict[str, Any]:
        count = len(self.valleys)
        if named == count:
            name = "stag (payoff dominant)"
            play = "The scout's message tells every valley apart and both hunters go to the stag."
        elif named == 0:
            name, play = "hare (no message matters)", "Both hunters take the hare, whatever is said."
        else:
            name = f"partial pooling ({named} of {count} valleys named)"
            told = "One valley has a message of its own" if named == 1 else f"{named} valleys have their own messages"
            play = f"{told}: there both hunters go to the stag. Elsewhere both take the hare."
        payoff = HARE_PAYOFF + (STAG_PAYOFF - HARE_PAYOFF) * named / count
        return {
            "name": name,
            "payoffs": dict.fromkeys(self.possible_agents, payoff),
            "play": play,
            "situation_payoffs": [STAG_PAYOFF] * named + [HARE_PAYOFF] * (count - named),
        }

    def _observations(self) -> dict[str, Observation]:
        count = len(self.valleys)
        seen = {SCOUT: self._stag, PARTNER: count}
        return {
            agent: {
                "observation": np.eye(count + 1, dtype=np.float32)[seen[agent]],
                "action_mask": np.ones(count + 1, dtype=np.int8),
            }
            for agent in self.possible_agents
        }
