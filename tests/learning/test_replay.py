from __future__ import annotations

from collections import Counter, deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl.errors import LearningError
from marl.learning.checkpoint import load_checkpoint, save_checkpoint
from marl.learning.replay import ReplayBuffer, Rows
from marl.seeding import stream


def transitions(first: int, count: int) -> Rows:
    """Transition number i holds i in every column."""
    numbers = np.arange(first, first + count)
    return {
        "reward": numbers.astype(np.float32),
        "vector": np.stack([numbers, -numbers], axis=1).astype(np.float64),
        "terminal": numbers % 2 == 0,
        "token_ids": [np.arange(i % 4) for i in numbers],
        "text": [f"turn {i}" for i in numbers],
    }


def buffer(capacity: int = 5, seed: int = 0) -> ReplayBuffer:
    return ReplayBuffer(capacity, stream(seed, "replay"))


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return all(map(np.array_equal, one, other)) and len(one) == len(other)


@given(st.integers(1, 6), st.lists(st.integers(1, 6), max_size=8))
def test_it_holds_the_last_transitions_and_counts_those_that_are_gone(capacity: int, batches: list[int]) -> None:
    """Against a deque of that length."""
    replay, last, number = buffer(capacity), deque(maxlen=capacity), 0
    for size in (min(size, capacity) for size in batches):
        replay.add(transitions(number, size))
        last.extend(range(number, number + size))
        number += size
    assert (len(replay), replay.added, replay.overwritten) == (len(last), number, number - len(last))
    if last:
        held = replay.state_dict()["columns"]["reward"]
        assert sorted(held.tolist()) == sorted(last)


def test_a_sampled_transition_is_whole() -> None:
    replay = buffer()
    replay.add(transitions(0, 4))
    replay.add(transitions(4, 4))
    rows = replay.sample(200)
    assert set(rows["reward"].tolist()) == {3.0, 4.0, 5.0, 6.0, 7.0}
    for i, number in enumerate(rows["reward"].astype(int).tolist()):
        assert rows["vector"][i].tolist() == [number, -number]
        assert rows["terminal"][i] == (number % 2 == 0)
        assert rows["token_ids"][i].tolist() == list(range(number % 4))
        assert rows["text"][i] == f"turn {number}"


def test_sampling_is_uniform() -> None:
    replay = buffer(10)
    replay.add(transitions(0, 10))
    counts = Counter(replay.sample(50_000)["reward"].tolist())
    expected = 5_000
    statistic = sum((count - expected) ** 2 / expected for count in counts.values())
    assert len(counts) == 10
    assert statistic < 27.88  # chi-square with 9 degrees of freedom, 0.1 %


def test_nothing_is_sampled_from_places_that_are_still_free() -> None:
    replay = buffer(100)
    replay.add(transitions(1, 3))
    assert set(replay.sample(200)["reward"].tolist()) == {1.0, 2.0, 3.0}


def test_what_is_sampled_is_a_copy() -> None:
    replay = buffer()
    replay.add(transitions(0, 1))
    replay.sample(1)["reward"][:] = 99.0
    assert replay.sample(1)["reward"].tolist() == [0.0]


@pytest.mark.parametrize("before", [2, 8])
def test_a_resumed_buffer_goes_on_exactly_as_the_first_one(before: int, tmp_path: Path) -> None:
    """Through a checkpoint, when half full and when it has gone round."""
    replay = buffer()
    for first in range(0, before, 2):
        replay.add(transitions(first, 2))
    replay.sample(3)
    resumed = buffer(seed=1)
    resumed.load_state_dict(load_checkpoint(save_checkpoint(tmp_path, 1, replay.state_dict())))
    assert (resumed.added, resumed.overwritten) == (replay.added, replay.overwritten)
    for step in range(4):
        for one in (replay, resumed):
            one.add(transitions(before + 3 * step, 3))
        mine, theirs = replay.sample(7), resumed.sample(7)
        assert list(mine) == list(theirs)
        assert all(same(mine[name], theirs[name]) for name in mine)


def test_a_state_is_not_changed_by_what_comes_after() -> None:
    replay = buffer()
    replay.add(transitions(0, 5))
    state = replay.state_dict()
    replay.add(transitions(5, 5))
    assert state["columns"]["reward"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert state["columns"]["text"][0] == "turn 0"


def test_an_empty_buffer_resumes_and_refuses_to_be_sampled() -> None:
    replay = buffer()
    replay.load_state_dict(buffer(seed=3).state_dict())
    with pytest.raises(LearningError, match="is empty"):
        replay.sample(1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reward": np.zeros(3, np.float32)}, "as long as each other"),
        ({"reward": np.zeros(2, np.float64)}, r"'reward': 'float64\[\]'"),
        ({"vector": np.zeros((2, 3))}, r"'vector': 'float64\[3\]'"),
        ({"extra": np.zeros(2)}, "'extra'"),
        ({"token_ids": np.zeros((2, 4), np.int64)}, r"'token_ids': 'int64\[4\]'"),
        ({"text": np.array(["a", "b"])}, "give numbers, or a list"),
    ],
)
def test_rows_that_do_not_fit_are_refused_as_a_whole(change: Rows, message: str) -> None:
    replay = buffer()
    replay.add(transitions(0, 2))
    with pytest.raises(LearningError, match=message):
        replay.add({**transitions(2, 2), **change})
    assert replay.added == 2
    assert replay.state_dict()["columns"]["reward"].tolist() == [0.0, 1.0]


def test_a_missing_column_is_refused() -> None:
    replay = buffer()
    replay.add(transitions(0, 2))
    rows = transitions(2, 2)
    del rows["terminal"]
    with pytest.raises(LearningError, match="give it the same ones"):
        replay.add(rows)


def test_more_than_fits_is_refused_rather_than_lost() -> None:
    with pytest.raises(LearningError, match="6 transitions at once are more than the replay buffer's capacity of 5"):
        buffer().add(transitions(0, 6))
    with pytest.raises(LearningError, match="at least one"):
        buffer().add({})
    with pytest.raises(LearningError, match="capacity >= 1"):
        buffer(0)


def test_a_state_that_does_not_fit_is_refused() -> None:
    replay = buffer()
    replay.add(transitions(0, 3))
    state = replay.state_dict()
    with pytest.raises(LearningError, match="capacity of 5 and this one of 6"):
        buffer(6).load_state_dict(state)
    with pytest.raises(LearningError, match="should hold 4 transitions"):
        buffer().load_state_dict({**state, "added": 4})
    with pytest.raises(LearningError, match="give it a PCG64"):
        ReplayBuffer(5, np.random.Generator(np.random.MT19937(0))).load_state_dict(state)
