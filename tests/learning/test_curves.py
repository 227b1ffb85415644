from __future__ import annotations

import time
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from marl.learning.curves import Curves


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_every_number_of_a_row_becomes_a_scalar(tmp_path: Path) -> None:
    curves = Curves(tmp_path, 0)
    curves.write({"iteration": 1, "losses/value_loss": 0.5, "note": "text"})
    curves.write({"iteration": 2, "losses/value_loss": 0.25})
    curves.close()
    assert scalars(tmp_path, "losses/value_loss") == [(1, 0.5), (2, 0.25)]


def test_a_resumed_run_hides_what_was_written_after_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Curves(tmp_path, 0)
    for iteration in (1, 2, 3):
        first.write({"iteration": iteration, "x": float(iteration)})
    first.close()
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 1)  # TensorBoard orders files by the second in their names
    second = Curves(tmp_path, 1)
    second.write({"iteration": 2, "x": 20.0})
    second.close()
    assert scalars(tmp_path, "x") == [(1, 1.0), (2, 20.0)]
