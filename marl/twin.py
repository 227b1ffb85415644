"""Training the silent twin in a process of its own while the run itself trains: two arms, two cores."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from marl.errors import LearningError
from marl.settings import Scenario
from marl.store import RunDirectory

POLL_SECONDS = 0.5


@contextmanager
def training_twin(
    scenario: Scenario, out: Path, *, wanted: bool, on_progress: Callable[[str, Mapping[str, Any]], None]
) -> Iterator[None]:
    """Train `scenario` into `out` while the body runs, and wait for it at the end of the body.

    `on_progress` gets ("twin", metrics row) for each of the twin's iterations. An unfinished twin in `out` is resumed.
    Raises LearningError when the twin's process fails.
    """
    if not wanted:
        yield
        return
    if not (out / "scenario.yaml").exists():
        RunDirectory.create(out, scenario)
    process = multiprocessing.get_context("spawn").Process(target=_train, args=(str(out),), name="silent twin")
    process.start()
    done = Event()
    watcher = Thread(target=_watch, args=(RunDirectory(out), on_progress, done), daemon=True)
    watcher.start()
    try:
        yield
        process.join()
    finally:
        if process.is_alive():
            process.terminate()
            process.join()
        done.set()
        watcher.join()
    if process.exitcode != 0:
        raise LearningError(
            f"training the silent twin ended with exit code {process.exitcode}; what it printed stands above. "
            f"Go on with --resume, or leave the twin out with --set training.silent_twin=false"
        )


def _train(out: str) -> None:
    from marl.experiment import train

    # An orphan must not go on writing into a run directory that a resumed run will open.
    Thread(target=_die_with_parent, daemon=True).start()

    run = RunDirectory(out)
    try:
        train(run.scenario(), out, resume=True)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _watch(run: RunDirectory, on_progress: Callable[[str, Mapping[str, Any]], None], done: Event) -> None:
    seen = 0
    while True:
        finished = done.wait(POLL_SECONDS)
        rows = run.metrics()
        for row in rows[seen:]:
            on_progress("twin", row)
        seen = len(rows)
        if finished:
            return
