"""Reading a run: what is missing is empty, what is broken is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from marl.errors import StoreError
from marl.report.inputs import read_inputs
from marl.store import RunDirectory


def test_a_complete_run(full_run: RunDirectory) -> None:
    inputs = read_inputs(full_run.path)
    assert inputs.scenario == full_run.scenario()
    assert inputs.evaluation == full_run.read_json("evaluation.json")
    assert inputs.analysis == full_run.read_json("analysis.json")
    assert len(inputs.metrics) == len(inputs.twin_metrics) == 60
    assert set(inputs.episodes) == set(inputs.evaluation["arms"])


def test_missing_parts_are_empty(partial_run: Callable[..., RunDirectory]) -> None:
    run = partial_run("metrics.jsonl", "evaluation.json", "analysis.json", "run.json", "episodes", "silent_twin")
    inputs = read_inputs(run.path)
    assert inputs.evaluation is None
    assert inputs.analysis is None
    assert inputs.card == {}
    assert inputs.metrics == inputs.twin_metrics == []
    assert inputs.episodes == {}


def test_no_run_directory(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a run directory"):
        read_inputs(tmp_path)
    with pytest.raises(StoreError, match="is not a run directory"):
        read_inputs(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["evaluation.json", "analysis.json", "episodes/normal.jsonl"])
def test_a_broken_file_is_named(full_run: RunDirectory, name: str) -> None:
    (full_run.path / name).write_text("{not json", encoding="utf-8")
    with pytest.raises(StoreError, match=name.rpartition("/")[2]):
        read_inputs(full_run.path)
