from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch

from marl.errors import LearningError, StoreError
from marl.learning.checkpoint import (
    KEPT,
    Best,
    best_checkpoint,
    checkpoints,
    load_checkpoint,
    mark_best,
    newest_checkpoint,
    read_best,
    save_checkpoint,
)


def test_a_state_comes_back_as_tensors_and_plain_data(tmp_path: Path) -> None:
    state = {"a": np.arange(3, dtype=np.float32), "b": {"c": [np.int64(2), None, (0.5, True)]}, "d": torch.ones(2)}
    loaded = load_checkpoint(save_checkpoint(tmp_path, 7, state))
    assert loaded["a"].tolist() == [0.0, 1.0, 2.0]
    assert loaded["a"].dtype == torch.float32
    assert loaded["b"] == {"c": [2, None, (0.5, True)]}
    assert loaded["d"].tolist() == [1.0, 1.0]


def test_the_newest_are_kept_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / ".iteration_000001.99.tmp").mkdir()
    for iteration in range(1, KEPT + 3):
        save_checkpoint(tmp_path, iteration, {"iteration": iteration})
    assert [path.name for path in checkpoints(tmp_path)] == [f"iteration_{i:06d}" for i in range(3, KEPT + 3)]
    assert len(list(tmp_path.iterdir())) == KEPT
    state = newest_checkpoint(tmp_path)
    assert state is not None
    assert state["iteration"] == KEPT + 2


def test_one_for_which_there_is_no_room_leaves_those_before_it_and_nothing_of_itself(
    tmp_path: Path, room: Callable[[int], AbstractContextManager[None]]
) -> None:
    save_checkpoint(tmp_path, 1, {"iteration": 1})
    with room(10_000), pytest.raises(StoreError, match=r"cannot write '.*iteration_000002': File too large"):
        save_checkpoint(tmp_path, 2, {"iteration": 2, "weights": torch.zeros(10_000)})
    assert [path.name for path in tmp_path.iterdir()] == ["iteration_000001"]
    assert newest_checkpoint(tmp_path) == {"iteration": 1}


def test_saving_again_replaces_what_is_there(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, 1, {"x": 1})
    (path / "state.pt").write_bytes(b"")
    save_checkpoint(tmp_path, 1, {"x": 2})
    assert load_checkpoint(path) == {"x": 2}


@pytest.mark.parametrize("damage", ["cut", "no state", "no note", "cut note", "other format"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_is_used(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    save_checkpoint(tmp_path, 1, {"iteration": 1})
    path = save_checkpoint(tmp_path, 2, {"iteration": 2, "weights": torch.zeros(1000)})
    if damage == "cut":
        (path / "state.pt").write_bytes((path / "state.pt").read_bytes()[:-100])
    elif damage == "no state":
        (path / "state.pt").unlink()
    elif damage == "no note":
        (path / "state.json").unlink()
    elif damage == "cut note":
        (path / "state.json").write_text('{"format": 1, "it')
    else:
        (path / "state.json").write_text('{"format": 99, "sha256": ""}')
    with pytest.raises(LearningError, match="iteration_000002"):
        load_checkpoint(path)
    with caplog.at_level(logging.WARNING):
        assert newest_checkpoint(tmp_path) == {"iteration": 1}
    assert "iteration_000002" in caplog.text


def test_none_without_checkpoints_and_an_error_when_all_are_broken(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "nowhere") is None
    path = save_checkpoint(tmp_path, 1, {})
    (path / "state.pt").write_bytes(b"x")
    with pytest.raises(LearningError, match="no checkpoint"):
        newest_checkpoint(tmp_path)


def test_the_best_is_kept_and_read_back(tmp_path: Path) -> None:
    for iteration in range(1, 6):
        save_checkpoint(tmp_path, iteration, {"iteration": iteration}, kept=2)
        if iteration == 2:
            mark_best(tmp_path, Best(2, 0.5))
    assert [path.name for path in checkpoints(tmp_path)] == [f"iteration_{i:06d}" for i in (2, 4, 5)]
    assert read_best(tmp_path) == Best(2, 0.5)
    assert best_checkpoint(tmp_path) == {"iteration": 2}
    mark_best(tmp_path, Best(5, 0.75))
    save_checkpoint(tmp_path, 6, {"iteration": 6}, kept=1)
    assert [path.name for path in checkpoints(tmp_path)] == [f"iteration_{i:06d}" for i in (5, 6)]


def test_no_best_a_broken_mark_and_a_broken_best_are_errors(tmp_path: Path) -> None:
    with pytest.raises(LearningError, match="marks no best"):
        best_checkpoint(tmp_path)
    path = save_checkpoint(tmp_path, 1, {})
    mark_best(tmp_path, Best(1, 0.0))
    (path / "state.pt").write_bytes(b"x")
    with pytest.raises(LearningError, match="iteration_000001 was cut short"):
        best_checkpoint(tmp_path)
    (tmp_path / "best.json").write_text('{"iteration": 1')
    with pytest.raises(LearningError, match=r"best\.json is not readable"):
        read_best(tmp_path)
