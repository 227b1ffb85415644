"""Each way of making advantages against numbers made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from marl.errors import LearningError
from marl.learning.advantages import Given, Trajectories, counterfactual, gae, group, joint_table, returns, role
from marl.training_settings import TrainingSettings


def columns(**changes: Any) -> dict[str, Tensor]:
    """x decides twice and is cut, y once; then the artificial row of x."""
    given = {
        "reward": torch.tensor([1.0, 2.0, 4.0, 0.0]),
        "trajectory": torch.tensor([0, 0, 1, 0]),
        "place": torch.tensor([0, 1, 0, 2]),
        "agent": torch.tensor([0, 0, 1, 0]),
        "episode": torch.tensor([0, 0, 0, 0]),
        "artificial": torch.tensor([False, False, False, True]),
    }
    return given | {name: torch.tensor(value) for name, value in changes.items()}


def settings(**changes: Any) -> TrainingSettings:
    return TrainingSettings(gamma=0.5, gae_lambda=0.5, **changes)


def test_rows_go_to_trajectories_and_back() -> None:
    paths = Trajectories(columns())
    grid = paths.grid(columns()["reward"])
    assert grid.tolist() == [[1.0, 2.0], [4.0, 0.0]]
    assert paths.mask.tolist() == [[True, True], [True, False]]
    assert paths.flat(grid).tolist() == [1.0, 2.0, 4.0, 0.0]
    assert paths.bootstrap(torch.tensor([9.0, 9.0, 9.0, 7.0])).tolist() == [7.0, 0.0]


def test_generalized_advantages_go_on_with_the_value_where_cut() -> None:
    estimate = gae(Given(columns(), settings(), torch.tensor([1.0, 3.0, 5.0, 8.0])))
    # deltas: 1 + .5*3 - 1 = 1.5;  2 + .5*8 - 3 = 3;  4 - 5 = -1
    assert estimate.advantages.tolist() == [1.5 + 0.25 * 3, 3.0, -1.0, 0.0]
    assert estimate.lesson is not None
    assert estimate.lesson.targets.tolist() == [1.0 + 2.25, 6.0, 4.0, 0.0]
    assert estimate.lesson.marked.tolist() == [True, True, True, False]


def test_returns_less_the_baseline_whatever_lambda_is() -> None:
    estimate = returns(Given(columns(), settings(), torch.tensor([1.0, 3.0, 5.0, 8.0])))
    last = 2 + 0.5 * 8
    assert estimate.advantages.tolist() == [1 + 0.5 * last - 1, last - 3, 4 - 5, 0.0]


def test_the_counterfactual_is_q_less_its_mean_under_the_policy() -> None:
    q = [[1.0, 3.0], [2.0, 6.0], [5.0, 0.0]]
    given = columns(
        reward=[1.0, 2.0, 4.0],
        trajectory=[0, 0, 1],
        place=[0, 1, 0],
        artificial=[False] * 3,
        chosen=[1, 0, 0],
        legal=[[True, True], [True, True], [True, False]],
        cut=[False, True, False],
    )
    table = torch.tensor([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]]).log()
    estimate = counterfactual(Given(given, settings(), torch.tensor(q), table))
    assert estimate.advantages.tolist() == pytest.approx([3 - (0.25 + 0.75 * 3), 2 - 4, 0.0])
    assert estimate.lesson is not None
    # x was cut at its second turn: that has no target, and its Q is what follows the first one.
    assert estimate.lesson.marked.tolist() == [True, False, True]
    assert estimate.lesson.targets[estimate.lesson.marked].tolist() == [1 + 0.5 * 2, 4.0]
    assert estimate.lesson.predictions.tolist() == [3.0, 2.0, 5.0]


def test_choices_of_which_none_has_a_known_value_are_refused() -> None:
    """Every episode is cut after one turn: nothing says what follows it."""
    given = columns(
        reward=[1.0, 2.0],
        trajectory=[0, 1],
        place=[0, 0],
        artificial=[False] * 2,
        chosen=[1, 0],
        legal=[[True, True]] * 2,
        cut=[True, True],
    )
    with pytest.raises(LearningError, match=r"cut after its only turn.*training\.algorithm: mappo"):
        counterfactual(Given(given, settings(), torch.zeros(2, 2), torch.full((2, 2), 0.5).log()))


def test_a_group_is_one_agents_turn_of_one_place_in_episodes_of_one_situation() -> None:
    """Episodes 0 and 1 are a group, 2 and 3 another; x decides twice in each, y once in episode 0 alone."""
    given = columns(
        reward=[0.0, 4.0, 7.0, 2.0, 8.0, 1.0, 1.0, 3.0, 5.0],
        trajectory=[0, 0, 1, 2, 2, 3, 3, 4, 4],
        place=[0, 1, 0, 0, 1, 0, 1, 0, 1],
        agent=[0, 0, 1, 0, 0, 0, 0, 0, 0],
        episode=[0, 0, 0, 1, 1, 2, 2, 3, 3],
        artificial=[False] * 9,
    )
    estimate = group(Given(given, settings(algorithm="magrpo", group=2)))
    # returns from the turn on: 2, 4 | 7 | 6, 8 || 1.5, 1 | 5.5, 5
    assert estimate.advantages.tolist() == [-2.0, -2.0, 0.0, 2.0, 2.0, -2.0, -2.0, 2.0, 2.0]
    assert estimate.lesson is None


def test_a_roles_baseline_follows_its_returns_and_is_taken_before_them() -> None:
    given = columns(
        reward=[0.0, 2.0, -2.0, 4.0],
        trajectory=[0, 0, 1, 2],
        place=[0, 1, 0, 0],
        agent=[0, 0, 1, 0],
        artificial=[False] * 4,
    )
    estimate = role(Given(given, settings(role_decay=0.5), baselines=torch.tensor([1.0, -1.0])))
    # x earns .5 * 2 = 1, the baseline stays 1; y earns -2 against -1; x earns 4 against 1.
    assert estimate.advantages.tolist() == [0.0, 0.0, -1.0, 3.0]
    assert estimate.baselines is not None
    assert estimate.baselines.tolist() == [2.5, -1.5]


def test_tables_of_networks_and_language_models_come_together_in_the_critics_numbers() -> None:
    """Row 1 is a network's, rows 0 and 2 a language model's with options 3, 1 and 2 (padded)."""
    policies = {
        "net": {"row": np.array([1])},
        "model": {"row": np.array([0, 2]), "option_number": np.array([[3, 1], [2, 0]])},
    }
    inf = -torch.inf
    tables = {
        "net": torch.tensor([[-1.0, -2.0, inf, inf]]),
        "model": torch.tensor([[-3.0, -4.0], [0.0, inf]]),
    }
    table = joint_table(policies, tables, torch.ones(3, 4, dtype=torch.bool))
    assert table.tolist() == [[inf, -4.0, inf, -3.0], [-1.0, -2.0, inf, inf], [inf, inf, 0.0, inf]]
