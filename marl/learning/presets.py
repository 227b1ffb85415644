"""The named algorithms: what the critic reads, how advantages are made, which loss moves the actors; or how Q mixes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from marl.errors import ScenarioError

Reads = Literal["everything", "own", "actions", "state", "none"]
"""What the critic reads: state() and all messages; what the agent itself knows; everything and what the others do at
the same time, for a value of each of the agent's own options; state() alone; or there is no critic."""

Advantage = Literal["gae", "return", "counterfactual", "group", "role"]
"""See `marl.learning.advantages`, one function each."""

Surrogate = Literal["ppo", "reinforce", "mirror_descent"]
"""See `marl.learning.surrogates`, one function each."""

Mixing = Literal["alone", "sum", "monotonic"]
"""Whose Q values are regressed on a target together: each agent's alone; the sum of the team's; or what a mixing
network makes of the team's with the state, which grows with each of them. It stands in the critic's place."""

POLICY_GRADIENT = "marl.learning.learner:PolicyGradientLearner"
Q_LEARNING = "marl.learning.q_learner:QLearner"


@dataclass(frozen=True)
class Preset:
    """One algorithm as parts. `one_step`: its estimate holds for the policy that acted only, so all data make one step.

    `normalize`: advantages get mean 0 and deviation 1. `grouped`: an iteration's episodes come in groups with one env
    seed. `learner` is "module:attribute" of the Learner.
    """

    critic: Reads
    advantage: Advantage
    surrogate: Surrogate
    one_step: bool = False
    normalize: bool = True
    grouped: bool = False
    learner: str = POLICY_GRADIENT


@dataclass(frozen=True)
class QPreset:
    """One value-based algorithm as parts; `critic` is what its mixing network reads."""

    mixing: Mixing
    critic: Reads = "none"
    grouped: bool = False
    learner: str = Q_LEARNING


PRESETS: dict[str, Preset | QPreset] = {
    # Williams 1992, with the value of what the agent itself knows as the baseline.
    "reinforce": Preset("own", "return", "reinforce", one_step=True),
    # de Witt et al., "Is Independent Learning All You Need in the StarCraft Multi-Agent Challenge?", 2020.
    "ippo": Preset("own", "gae", "ppo"),
    # Yu et al., "The Surprising Effectiveness of PPO in Cooperative Multi-Agent Games", 2022.
    "mappo": Preset("everything", "gae", "ppo"),
    # Foerster et al., "Counterfactual Multi-Agent Policy Gradients", 2018.
    "coma": Preset("actions", "counterfactual", "reinforce", one_step=True),
    # Liu et al., "LLM Collaboration With Multi-Agent Reinforcement Learning", 2025.
    "magrpo": Preset("none", "group", "ppo", grouped=True),
    # Liu et al., "SPIRAL", 2025, for the baselines; Sokota et al., "A Unified Approach to Reinforcement Learning,
    # Quantal Response Equilibria, and Two-Player Zero-Sum Games", 2023, for what makes self-play settle. Advantages
    # stay in units of reward, against which mirror descent's temperature is weighed.
    "selfplay_ppo": Preset("none", "role", "mirror_descent", normalize=False),
    # Mnih et al., "Human-level control through deep reinforcement learning", 2015, for each agent by itself.
    "dqn": QPreset("alone"),
    # Sunehag et al., "Value-Decomposition Networks For Cooperative Multi-Agent Learning", 2018.
    "vdn": QPreset("sum"),
    # Rashid et al., "QMIX: Monotonic Value Function Factorisation for Deep Multi-Agent Reinforcement Learning", 2018.
    "qmix": QPreset("monotonic", "state"),
}


def preset(algorithm: str) -> Preset | QPreset:
    """The parts of the algorithm named so. Raises ScenarioError for any other name."""
    if algorithm not in PRESETS:
        raise ScenarioError(f"training.algorithm: {algorithm!r} is not known; give one of {', '.join(PRESETS)}")
    return PRESETS[algorithm]
