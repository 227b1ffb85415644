"""What the report reads: the files of one run directory, each of which may not have been made yet."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marl.settings import Scenario
from marl.store import RunDirectory, read_episodes
from marl.types import Episode

TWIN = "silent_twin"
MOST_EPISODES = 512


@dataclass(frozen=True)
class RunInputs:
    """One run's files as plain data; None or empty stands for a file that is not there.

    `episodes` holds, by arm, at most the first `MOST_EPISODES` records.
    """

    path: Path
    scenario: Scenario
    card: dict[str, Any]
    metrics: list[dict[str, Any]]
    twin_metrics: list[dict[str, Any]]
    evaluation: dict[str, Any] | None
    analysis: dict[str, Any] | None
    communication: dict[str, Any] | None
    usage: dict[str, Any] | None
    episodes: dict[str, list[Episode]]


def read_inputs(path: str | Path) -> RunInputs:
    """Read the run at `path`. Raises StoreError when it is no run directory or a file in it is unreadable."""
    run = RunDirectory(path)
    twin = run.path / TWIN
    return RunInputs(
        path=run.path,
        scenario=run.scenario(),
        card=_optional(run, "run.json") or {},
        metrics=run.metrics(),
        twin_metrics=RunDirectory(twin).metrics() if (twin / "scenario.yaml").is_file() else [],
        evaluation=_optional(run, "evaluation.json"),
        analysis=_optional(run, "analysis.json"),
        communication=_optional(run, "communication.json"),
        usage=_optional(run, "usage.json"),
        episodes={
            file.stem: list(itertools.islice(read_episodes(file), MOST_EPISODES))
            for file in sorted((run.path / "episodes").glob("*.jsonl"))
        },
    )


def _optional(run: RunDirectory, name: str) -> Any:
    return run.read_json(name) if run.has(name) else None
