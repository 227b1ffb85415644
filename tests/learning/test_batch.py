from __future__ import annotations

import random

import numpy as np
import pytest
from handmade import make_episode, make_turn

from marl.errors import LearningError
from marl.learning.batch import CRITIC, column_batch, trajectories
from marl.learning.features import CriticLayout
from marl.types import Episode

LAYOUT = CriticLayout(("x", "y"), 3, "everything")


def two_agents() -> Episode:
    """x decides at 0, 2 and 5; y, silent in between, at 1 and 4; policy q of turn 3 does not learn."""
    turns = [
        make_turn(0, "x", phase="talk", choice=None, option_ids=(), token_ids=(7, 8, 9), log_probs=(-1.0, -2.0, -3.0)),
        make_turn(1, "y", reward=1.0),
        make_turn(2, "x", reward=2.0),
        make_turn(3, "z", policy="q", log_probs=()),
        make_turn(4, "y", reward=3.0, last=True),
        make_turn(5, "x", reward=4.0, choice=1, token_ids=(5, 6), log_probs=(-0.25,), last=True),
    ]
    return make_episode(turns, agents=("x", "y", "z"), index=11)


def test_trajectories_follow_turn_ids_whatever_the_order_of_records() -> None:
    episode = two_agents()
    random.Random(0).shuffle(episode.turns)
    found = trajectories([episode], {"p"})
    assert [[turn.id for turn in path.turns] for path in found] == [[0, 2, 5], [1, 4]]


def test_columns_of_both_modules_point_at_each_other() -> None:
    batch = column_batch([two_agents()], {"p"}, LAYOUT)
    critic, own = batch[CRITIC], batch["p"]
    assert set(batch) == {CRITIC, "p"}
    assert own["turn"].tolist() == [0, 2, 5, 1, 4]
    assert own["agent"].tolist() == [0, 0, 0, 1, 1]
    assert own["episode"].tolist() == [11] * 5
    assert critic["reward"][own["row"]].tolist() == [0.0, 2.0, 4.0, 1.0, 3.0]
    assert critic["trajectory"].tolist() == [0, 0, 0, 1, 1]
    assert critic["place"].tolist() == [0, 1, 2, 0, 1]
    assert not critic["artificial"].any()
    assert own["choice"].tolist() == [-1, 0, 1, 0, 0]
    assert own["talk"].tolist() == [True, False, False, False, False]
    assert own["token_length"].tolist() == [3, 1, 2, 1, 1]
    assert own["log_prob_length"].tolist() == [3, 1, 1, 1, 1]
    assert own["option_length"].tolist() == [[0, 0], [1, 2], [1, 2], [1, 2], [1, 2]]
    np.testing.assert_allclose(own["log_probs"][0], [-1, -2, -3])


def test_failed_episodes_are_left_out() -> None:
    good, bad = two_agents(), two_agents()
    bad.outcome, bad.error, bad.index = "failed", "RuntimeError: x", 12
    batch = column_batch([bad, good], {"p"}, LAYOUT)
    assert set(batch["p"]["episode"].tolist()) == {11}
    with pytest.raises(LearningError, match="RuntimeError: x"):
        column_batch([bad], {"p"}, LAYOUT)


def test_cut_agents_get_an_artificial_row_after_all_turns() -> None:
    episode = two_agents()
    episode.outcome = "truncated"
    episode.turns[5].next_state = np.array([7.0, 8.0, 9.0], np.float32)
    critic = column_batch([episode], {"p"}, LAYOUT)[CRITIC]
    assert critic["artificial"].tolist() == [False] * 5 + [True]
    assert (critic["trajectory"][5], critic["place"][5]) == (0, 3)
    assert critic["vector"][5].tolist() == [7.0, 8.0, 9.0]
    assert critic["agent"][5] == 0


@pytest.mark.parametrize("reward", [float("nan"), float("inf")])
def test_a_reward_that_is_not_finite_is_refused(reward: float) -> None:
    episode = two_agents()
    episode.turns[2].reward = reward
    with pytest.raises(LearningError, match=r"episode 11, turn 2 of x: the reward is"):
        column_batch([episode], {"p"}, LAYOUT)


def test_a_learning_turn_without_log_probabilities_is_refused() -> None:
    with pytest.raises(LearningError, match="'q' is to learn"):
        column_batch([two_agents()], {"p", "q"}, CriticLayout(("x", "y", "z"), 3, "everything"))
