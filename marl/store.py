"""A run directory: everything one run read and wrote, in files that can be copied away and opened anywhere."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from marl.errors import StoreError
from marl.multi_task import AnyScenario, MultiTask, games_of, load_any
from marl.scenario import dump_scenario
from marl.settings import Scenario
from marl.types import Episode, Message, ParseFailure, Turn

_PACKAGES = ("parley-marl", "pettingzoo", "gymnasium", "ray", "torch", "transformers", "networkx", "numpy", "scipy")


@contextmanager
def writing(path: Path, *refusals: type[Exception]) -> Iterator[None]:
    """Raises StoreError, naming `path`, where the system, or a library with one of its `refusals`, cannot write it."""
    expected: tuple[type[Exception], ...] = (OSError, *refusals)
    try:
        yield
    except expected as error:
        why = getattr(error, "strerror", None) or error
        raise StoreError(
            f"cannot write {str(path)!r}: {why}; see that there is room and leave to write, or choose another --out. A "
            "run that had begun goes on from its newest checkpoint with --resume"
        ) from error


def write_atomically(path: Path, text: str) -> None:
    """Write beside `path` and rename, so that a reader sees the old file or the whole new one.

    Raises StoreError where it cannot be written; nothing of it is left then.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


class RunDirectory:
    """Reads and writes the files of one run. Raises StoreError for what is missing or unreadable.

    A run over several tasks has multi_task.yaml in place of scenario.yaml, and for each task a run directory of its own
    under tasks/, whose policies and checkpoints are links to those of the whole.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not any((self.path / name).is_file() for name in SETTINGS):
            raise StoreError(
                f"{str(self.path)!r} is not a run directory (it has no scenario.yaml); "
                "give a folder that `marl run` or `marl train` made"
            )

    @classmethod
    def create(cls, path: str | Path, scenario: AnyScenario, command: str = "") -> RunDirectory:
        """Make the directory, in place of a run that failed before its first row of metrics.

        Raises StoreError when it already holds another run.
        """
        folder = Path(path)
        if any((folder / name).exists() for name in SETTINGS):
            if not cls(folder).failed_at_once:
                raise StoreError(
                    f"{str(folder)!r} already holds a run; continue it with --resume or choose another --out"
                )
            for name in (*SETTINGS, "metrics.jsonl"):
                (folder / name).unlink(missing_ok=True)
            for name in ("silent_twin", "tasks", "tensorboard"):
                shutil.rmtree(folder / name, ignore_errors=True)
        several = isinstance(scenario, MultiTask)
        card = {
            "seed": scenario.seed,
            "command": command,
            "status": "new",
            "started": f"{datetime.now():%Y-%m-%d %H:%M}",
            "versions": versions(),
        }
        # The settings make it a run: whoever is killed in between leaves a folder that can be used again.
        write_atomically(folder / "run.json", json.dumps(card, indent=1) + "\n")
        write_atomically(folder / SETTINGS[several], dump_scenario(scenario))
        run = cls(folder)
        for name, game in games_of(scenario).items() if several else ():
            task = cls.create(folder / "tasks" / name, game, command)
            for shared in ("policies", "checkpoints"):
                (task.path / shared).symlink_to(Path("..") / ".." / shared, target_is_directory=True)
        return run

    @property
    def failed_at_once(self) -> bool:
        """Whether the run ended with an error before anything was measured, as with settings that are no use."""
        return bool(self.read_json("run.json").get("status") == "failed" and not self.metrics())

    def settings(self) -> AnyScenario:
        """The resolved scenario, or the multi-task file, that the run was made from."""
        return load_any(self.path / next(name for name in SETTINGS if self.has(name)))

    def scenario(self) -> Scenario:
        """The resolved scenario that the run was made from. Raises StoreError where it was made from several."""
        settings = self.settings()
        if isinstance(settings, MultiTask):
            raise StoreError(
                f"{str(self.path)!r} is a run over several tasks; each is a run directory of its own: "
                f"{', '.join(str(task.path) for task in self.tasks().values())}"
            )
        return settings

    def tasks(self) -> dict[str, RunDirectory]:
        """The run directories of its tasks, by task name; none for a run of one scenario."""
        settings = self.settings()
        names = settings.tasks if isinstance(settings, MultiTask) else {}
        return {name: RunDirectory(self.path / "tasks" / name) for name in names}

    def has(self, name: str) -> bool:
        """Whether the run holds this file or folder."""
        return (self.path / name).exists()

    def write_json(self, name: str, value: Any) -> Path:
        """Write a JSON file; NaN and infinity are refused."""
        try:
            text = json.dumps(value, indent=1, allow_nan=False, default=_plain)
        except ValueError as error:
            raise StoreError(f"{name}: a value is not finite or not plain data ({error})") from error
        write_atomically(self.path / name, text + "\n")
        return self.path / name

    def read_json(self, name: str) -> Any:
        """Read a JSON file of the run."""
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise StoreError(
                f"{str(self.path)!r} has no {name}; {_MADE_BY.get(name, 'run the step that makes it')}"
            ) from error
        except json.JSONDecodeError as error:
            raise StoreError(f"{str(self.path / name)!r} is not readable JSON: {error}") from error

    def update_run(self, **fields: Any) -> None:
        """Merge `fields` into run.json."""
        self.write_json("run.json", {**self.read_json("run.json"), **fields})

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Add one line to metrics.jsonl."""
        line, path = json.dumps(dict(row), allow_nan=False, default=_plain), self.path / "metrics.jsonl"
        with writing(path), path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """All rows of metrics.jsonl; a last line cut short by a kill is left out."""
        path = self.path / "metrics.jsonl"
        rows: list[dict[str, Any]] = []
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for number, line in enumerate(lines, start=1):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                if number < len(lines):
                    raise StoreError(f"{str(path)!r} line {number} is not readable JSON: {error}") from error
        return rows

    def truncate_metrics(self, iteration: int) -> None:
        """Drop the rows after `iteration`, which a resumed run will write again."""
        self.replace_metrics([row for row in self.metrics() if row["iteration"] <= iteration])

    def replace_metrics(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write metrics.jsonl anew."""
        write_atomically(self.path / "metrics.jsonl", "".join(json.dumps(dict(row)) + "\n" for row in rows))

    def write_episodes(self, arm: str, episodes: Iterable[Episode]) -> Path:
        """Write episodes/<arm>.jsonl."""
        path = self.path / "episodes" / f"{arm}.jsonl"
        write_atomically(path, "".join(json.dumps(episode_to_json(episode)) + "\n" for episode in episodes))
        return path

    def episodes(self, arm: str) -> list[Episode]:
        """Read episodes/<arm>.jsonl."""
        return list(read_episodes(self.path / "episodes" / f"{arm}.jsonl"))


SETTINGS = ("scenario.yaml", "multi_task.yaml")
"""What a run directory was made from: one of the two."""
_ARRAYS = ("features", "state", "inputs", "next_features", "next_state")

_MADE_BY = {
    "evaluation.json": "`marl evaluate RUN` makes it",
    "analysis.json": "`marl analyze RUN` makes it",
    "run.json": "it is written when a run is created",
}


def read_episodes(path: Path) -> Iterator[Episode]:
    """The episodes of a JSON-lines file, one a line."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield episode_from_json(json.loads(line))
                except (json.JSONDecodeError, TypeError, KeyError) as error:
                    raise StoreError(f"{str(path)!r} line {number} is not an episode: {error}") from error
    except FileNotFoundError as error:
        raise StoreError(f"no episodes at {str(path)!r}; `marl evaluate RUN` writes them") from error


def episode_to_json(episode: Episode) -> dict[str, Any]:
    """Plain data for one episode; `episode_from_json` gives an equal one back."""
    data = dataclasses.asdict(episode)
    for turn in data["turns"]:
        for name in _ARRAYS:
            turn[name] = None if turn[name] is None else [float(value) for value in turn[name]]
    return data


def episode_from_json(data: Mapping[str, Any]) -> Episode:
    """The episode that `episode_to_json` wrote."""
    fields = dict(data)
    fields["agents"] = tuple(data["agents"])
    fields["messages"] = [Message(**{**message, "hearers": tuple(message["hearers"])}) for message in data["messages"]]
    fields["turns"] = [_turn(turn) for turn in data["turns"]]
    return Episode(**fields)


def _turn(data: Mapping[str, Any]) -> Turn:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    fields["option_ids"] = tuple(tuple(ids) for ids in data["option_ids"])
    for name in _ARRAYS:
        fields[name] = None if data.get(name) is None else np.asarray(data[name], dtype=np.float32)
    fields["failure"] = ParseFailure(**data["failure"]) if data["failure"] else None
    return Turn(**fields)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a run's results."""
    found = {"python": platform.python_version(), "platform": sys.platform}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not plain data")
