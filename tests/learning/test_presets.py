"""Every algorithm learns a game whose solution is known, over three seeds, and uniform play is the control."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest

from marl.errors import ScenarioError
from marl.learning.advantages import ESTIMATES
from marl.learning.presets import PRESETS, Mixing, Preset, QPreset, preset
from marl.learning.surrogates import SURROGATES
from marl.scenario import load_attribute
from marl.settings import Scenario
from marl.training_settings import VALUE_BASED, AlgorithmName

COOPERATION = [[0.2, 0.0, 0.1], [0.0, 1.0, 0.3], [0.1, 0.2, 0.4]]
"""Paid to both; levers 1 and 1 are best (1.0), uniform play earns 0.256."""

PENNIES = [[3.0, -1.0], [-1.0, 1.0]]
"""Zero-sum; both play lever 0 with probability 1/3 at the only equilibrium, of value 1/3."""


SMALL = {"iterations": 40, "episodes": 32, "epochs": 4, "minibatches": 1, "lr": 0.02, "action_entropy": (0.02, 0.0)}


@pytest.fixture
def trained(build: Any) -> Callable[[Scenario], tuple[np.ndarray, np.ndarray]]:
    """Scenario -> the mixed strategies of both after each iteration, [iterations, actions] each."""

    def train(scenario: Scenario) -> tuple[np.ndarray, np.ndarray]:
        algorithm = build(scenario)
        played: dict[str, list[np.ndarray]] = {"row": [], "column": []}
        for _ in range(scenario.training.iterations):
            algorithm.train()
            assert algorithm.row["losses/first_ratio_deviation"] < 1e-5
            for name, actor in algorithm.actors().items():
                played[name].append(play_of(actor.policy))
        return np.array(played["row"]), np.array(played["column"])

    return train


def play_of(policy: Any) -> np.ndarray:
    size = policy.encoding.outputs
    return np.exp(policy.log_probs(np.ones((1, 1), np.float32), np.ones((1, size), bool)))[0]


SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]
FASTER = {"reinforce": {"lr": 0.1}, "coma": {"lr": 0.1}}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("algorithm", ["reinforce", "ippo", "mappo", "coma", "magrpo"])
def test_cooperation_is_learned(make_matrix: Callable[..., Scenario], trained: Any, algorithm: str, seed: int) -> None:
    row, column = trained(make_matrix(COOPERATION, seed, algorithm=algorithm, **{**SMALL, **FASTER.get(algorithm, {})}))
    control = float(np.mean(COOPERATION))
    learned = float(row[-1] @ np.array(COOPERATION) @ column[-1])
    assert learned > 0.9 > 3 * control


@pytest.mark.parametrize("seed", SEEDS)
def test_self_play_approaches_the_equilibrium(make_matrix: Callable[..., Scenario], trained: Any, seed: int) -> None:
    """Strategies go around the equilibrium in ever smaller circles, so that their average is nearer than the last."""
    drawn = {"temperature": 0.3, "step_size": 0.05}
    long = {"iterations": 60, "episodes": 128, "epochs": 8, "action_entropy": (0.0, 0.0), "mirror_descent": drawn}
    training = {**SMALL, **long, "algorithm": "selfplay_ppo"}
    row, column = trained(make_matrix(PENNIES, seed, zero_sum=True, **training))
    uniform = np.full(2, 0.5)
    assert nash_conv(uniform, uniform) == pytest.approx(1.0)
    assert nash_conv(row[20:].mean(0), column[20:].mean(0)) < 0.4


def nash_conv(row: np.ndarray, column: np.ndarray) -> float:
    """What both could gain together by best responses."""
    table = np.array(PENNIES)
    return float((table @ column).max() - (row @ table).min())


def test_the_control_of_nash_conv_is_zero_at_the_equilibrium() -> None:
    third = np.array([1 / 3, 2 / 3])
    assert nash_conv(third, third) == pytest.approx(0.0)


def test_every_preset_is_made_of_parts_that_exist() -> None:
    for parts in PRESETS.values():
        if isinstance(parts, Preset):
            assert parts.advantage in ESTIMATES
            assert parts.surrogate in SURROGATES
        else:
            assert parts.mixing in get_args(Mixing)
        assert isinstance(load_attribute(parts.learner, "training.algorithm"), type)
    assert set(PRESETS) == set(get_args(AlgorithmName))
    assert {name for name, parts in PRESETS.items() if isinstance(parts, QPreset)} == set(VALUE_BASED)


def test_an_unknown_algorithm_is_named_with_all_that_are_known(make_matrix: Callable[..., Scenario]) -> None:
    with pytest.raises(ScenarioError, match="'mapo' is not known; give one of reinforce, ippo, mappo, coma, magrpo"):
        preset("mapo")
    with pytest.raises(ScenarioError, match=r"training\.algorithm: .*'reinforce', 'ippo', 'mappo', 'coma'.*'mapo'"):
        make_matrix(COOPERATION, 0, algorithm="mapo")
