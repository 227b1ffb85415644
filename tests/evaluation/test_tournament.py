from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from marl.errors import EnvError, ScenarioError
from marl.evaluation.tournament import check_completed, choose_profiles, play_profile, play_tournament
from marl.seeding import stream
from marl.types import Episode

Make = Callable[..., Episode]
STRATEGIES = {"row": {"up": 1, "down": 2}, "column": {"left": 10, "middle": 20, "right": 30}}


def test_every_profile_is_played_on_the_same_episodes(episode: Make) -> None:
    calls: list[int] = []

    def play(seating: Mapping[str, int], indices: Sequence[int]) -> list[Episode]:
        return [episode(i, {"column": seating["column"] + i, "row": float(seating["row"])}) for i in indices]

    samples = play_tournament(play, STRATEGIES, episodes=4, on_profile=lambda done, total: calls.append(total - done))
    assert list(samples) == [(i, j) for i in range(2) for j in range(3)]
    assert calls == [5, 4, 3, 2, 1, 0]
    np.testing.assert_array_equal(samples[1, 2], [[2, 30], [2, 31], [2, 32], [2, 33]])


def test_an_episode_that_failed_anywhere_is_left_out_everywhere(episode: Make) -> None:
    def play(seating: Mapping[str, int], indices: Sequence[int]) -> list[Episode]:
        broken = 1 if seating == {"row": 2, "column": 10} else None
        return [episode(i, {"row": i, "column": i}, error="E: x" if i == broken else None) for i in indices]

    samples = play_tournament(play, STRATEGIES, episodes=4)
    assert all(rows[:, 0].tolist() == [0, 2, 3] for rows in samples.values())
    with pytest.raises(EnvError, match=r"1 of 2 episodes.*E: x"):
        play_tournament(play, STRATEGIES, episodes=2)


def test_too_many_profiles_are_refused_unless_sampled() -> None:
    with pytest.raises(ScenarioError, match="make 625 profiles"):
        choose_profiles([5, 5, 5, 5])
    chosen = choose_profiles([5, 5, 5, 5], sample=40, rng=stream(0, "profiles"))
    assert len(chosen) == len(set(chosen)) == 40
    assert {p for p in chosen if sum(map(bool, p)) <= 1} >= {(0, 0, 0, 0), (0, 4, 0, 0), (0, 0, 0, 1)}
    assert chosen == choose_profiles([5, 5, 5, 5], sample=40, rng=stream(0, "profiles"))
    assert len(choose_profiles([4, 4, 4, 4])) == 256


def test_arguments_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ScenarioError, match="at least one strategy"):
        choose_profiles([2, 0])
    with pytest.raises(ScenarioError, match="deviations are 17"):
        choose_profiles([5, 5, 5, 5], sample=10, rng=stream(0))
    with pytest.raises(ScenarioError, match="pass `rng`"):
        choose_profiles([5, 5, 5, 5], sample=40)
    assert len(choose_profiles([2, 2], sample=9)) == 4


def test_one_profile_alone(episode: Make) -> None:
    def play(seating: Mapping[str, int], indices: Sequence[int]) -> list[Episode]:
        return [episode(i, {"column": i, "row": seating["row"]}, error="E: x" if i == 1 else None) for i in indices]

    payoffs, failed = play_profile(play, {"row": 7, "column": 8}, [0, 1])
    assert payoffs[0] == [7, 0]
    assert failed == {1: "E: x"}


def test_a_profile_without_two_episodes_says_what_went_wrong() -> None:
    check_completed({(0, 0): {0: [1.0], 3: [2.0]}}, {1: "E: x"})
    with pytest.raises(EnvError, match=r"1 episodes of profile \(0, 1\).*E: x"):
        check_completed({(0, 0): {0: [1.0], 3: [2.0]}, (0, 1): {0: [1.0]}}, {1: "E: x", 2: "E: y"})
