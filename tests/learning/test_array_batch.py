"""Array play and episodes of one game without chance give the same columns, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from marl.errors import LearningError
from marl.learning.array_batch import array_columns
from marl.learning.array_sampling import ArraySampler, metrics, turns
from marl.learning.batch import CRITIC, column_batch
from marl.learning.features import critic_layout
from marl.learning.metrics import episode_metrics
from marl.learning.seating import learning_policies
from marl.learning.task import Task
from marl.policies import build_policies
from marl.scenario import validate_scenario
from marl.seeding import seed_of
from marl.settings import Scenario

EPISODES = 40


def clockwork(
    algorithm: str = "mappo", seats: tuple[str, str] = ("one", "two"), recurrent: str | None = None, **learn: bool
) -> Scenario:
    return validate_scenario(
        {
            "name": "clockwork",
            "title": "Clockwork",
            "kind": "mixed",
            "env": {"entry": "clockwork:Clockwork", "arrays": "clockwork:ClockworkArrays"},
            "channel": {"topology": "none"},
            "seats": dict(zip(("guest_0", "guest_1"), seats, strict=True)),
            "policies": {
                name: {"kind": "network", "hidden": [8], "recurrent": recurrent, "learn": learn.get(name, True)}
                for name in sorted(set(seats))
            },
            "training": {"algorithm": algorithm, "episodes": EPISODES},
        }
    )


def both_ways(scenario: Scenario, iteration: int = 1) -> tuple[Any, Any, Any, Any]:
    """Columns of the episodes, the episodes; columns of the arrays, the play."""
    policies, layout = build_policies(scenario, seed=3), critic_layout(scenario)
    learning = learning_policies(scenario)
    indices = tuple(range(iteration * EPISODES, (iteration + 1) * EPISODES))
    episodes = Task(indices, seed_of(scenario.seed, "training")).play(scenario, policies)
    play = ArraySampler(scenario, layout, policies).play(iteration)
    return (
        column_batch(episodes, learning, layout),
        episodes,
        array_columns(play, scenario, learning, layout),
        play,
    )


@pytest.mark.parametrize("recurrent", [None, "gru"])
@pytest.mark.parametrize("algorithm", ["mappo", "ippo", "coma", "selfplay_ppo"])
@pytest.mark.parametrize("seats", [("one", "two"), ("both", "both")])
def test_the_columns_are_those_of_the_episodes(algorithm: str, seats: tuple[str, str], recurrent: str | None) -> None:
    wanted, episodes, given, play = both_ways(clockwork(algorithm, seats, recurrent))
    assert {episode.outcome for episode in episodes} == {"terminated", "truncated"}
    assert len({episode.length for episode in episodes}) > 1
    assert set(given) == set(wanted) == {CRITIC, *seats}
    for module, columns in wanted.items():
        assert set(given[module]) == set(columns)
        for name, column in columns.items():
            assert given[module][name].dtype == column.dtype, (module, name)
            np.testing.assert_allclose(given[module][name], column, atol=1e-5, err_msg=f"{module} {name}")
    assert sum(turns(play)) == sum(len(episode.turns) for episode in episodes)


def test_agents_that_do_not_learn_have_no_rows_and_still_count_as_others() -> None:
    wanted, _, given, _ = both_ways(clockwork("coma", two=False))
    assert set(given) == {CRITIC, "one"}
    for name, column in wanted[CRITIC].items():
        np.testing.assert_allclose(given[CRITIC][name], column, atol=1e-5, err_msg=name)
    joint = given[CRITIC]["vector"][:, 3:].reshape(-1, 2, 3)
    assert joint[:, 1].any()
    assert not joint[:, 0].any()


def test_metrics_are_those_of_the_episodes() -> None:
    _, episodes, _, play = both_ways(clockwork())
    assert metrics(play) == pytest.approx(episode_metrics(episodes))
    assert play.lengths.tolist() == [episode.length for episode in episodes]


def test_a_state_that_is_not_finite_is_refused() -> None:
    scenario = clockwork()
    layout = critic_layout(scenario)
    play = ArraySampler(scenario, layout, build_policies(scenario, seed=3)).play(0)
    play.states[0][:] = np.nan
    with pytest.raises(LearningError, match="not finite"):
        array_columns(play, scenario, learning_policies(scenario), layout)
