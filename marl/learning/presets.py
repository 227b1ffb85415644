"""The named algorithms: what the critic reads, how advantages are made, which loss moves the actors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from marl.errors import ScenarioError

Reads = Literal["everything", "own", "actions", "none"]
"""What the critic reads: state() and all messages; what the agent itself knows; everything and what the others do at
the same time, for a value of each of the agent's own options; or there is no critic."""

Advantage = Literal["gae", "return", "counterfactual", "group", "role"]
"""See `marl.learning.advantages`, one function each."""

Surrogate = Literal["ppo", "reinforce", "mirror_descent"]
"""See `marl.learning.surrogates`, one function each."""

POLICY_GRADIENT = "marl.learning.learner:PolicyGradientLearner"


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


PRESETS: dict[str, Preset] = {
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
}


def preset(algorithm: str) -> Preset:
    """The parts of the algorithm named so. Raises ScenarioError for any other name."""
    if algorithm not in PRESETS:
        raise ScenarioError(f"training.algorithm: {algorithm!r} is not known; give one of {', '.join(PRESETS)}")
    return PRESETS[algorithm]
