"""Checkpoints: one folder an iteration, complete or not there, checked by a digest when read.

RUN/checkpoints/iteration_000010/state.pt holds tensors and plain data only (it is read with `weights_only`), and
state.json its iteration and SHA-256. RUN/checkpoints/best.json names the one that did best in periodic evaluation.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from marl.errors import LearningError
from marl.store import write_atomically, writing

logger = logging.getLogger(__name__)
KEPT = 3
FORMAT = 2
BEST = "best.json"


@dataclass(frozen=True)
class Best:
    """The iteration of the best periodic evaluation so far, and the mean payoff per agent there."""

    iteration: int
    value: float

    @property
    def folder(self) -> str:
        """Its checkpoint's name."""
        return _name(self.iteration)


def save_checkpoint(folder: Path, iteration: int, state: Mapping[str, Any], *, kept: int = KEPT) -> Path:
    """Write `state` as the checkpoint of `iteration` under `folder`; delete all but the `kept` newest and the best.

    Raises StoreError where it cannot be written; nothing of it is left then.
    """
    target = folder / _name(iteration)
    part = folder / f".{target.name}.{os.getpid()}.tmp"
    for left in folder.glob(".iteration_*.tmp"):  # by a run that was killed while it saved
        shutil.rmtree(left)
    with writing(target):
        try:
            part.mkdir(parents=True)
            _save(_tensors(dict(state)), part / "state.pt")
            note = {"format": FORMAT, "iteration": iteration, "sha256": _digest(part / "state.pt")}
            (part / "state.json").write_text(json.dumps(note) + "\n", encoding="utf-8")
            for path in part.iterdir():
                _flush(path)
        except OSError:
            shutil.rmtree(part, ignore_errors=True)
            raise
        if target.exists():
            shutil.rmtree(target)
        part.rename(target)
        _flush(folder)
    best = read_best(folder)
    for old in checkpoints(folder)[:-kept]:
        if best is None or old.name != best.folder:
            shutil.rmtree(old)
    return target


def _save(state: Any, path: Path) -> None:
    """Raises OSError where there is no room, which torch would have hidden behind what its archive expected."""
    try:
        with path.open("wb") as file:
            torch.save(state, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def mark_best(folder: Path, best: Best) -> None:
    """Name the checkpoint of `best.iteration`, which is there already, as the best."""
    write_atomically(folder / BEST, json.dumps(asdict(best)) + "\n")


def read_best(folder: Path) -> Best | None:
    """What `mark_best` wrote, or None. Raises LearningError where the file is not readable."""
    path = folder / BEST
    if not path.exists():
        return None
    try:
        return Best(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise LearningError(f"{path} is not readable ({error}); delete it, and the next best is marked anew") from error


def best_checkpoint(folder: Path) -> dict[str, Any]:
    """The best checkpoint's state. Raises LearningError where none is marked or it is not whole."""
    best = read_best(folder)
    if best is None:
        raise LearningError(f"{folder} marks no best checkpoint; train with periodic evaluation, or take the last one")
    return load_checkpoint(folder / best.folder)


def _name(iteration: int) -> str:
    return f"iteration_{iteration:06d}"


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoint folders under `folder`, oldest first, whole or not."""
    return sorted(path for path in folder.glob("iteration_*") if path.is_dir())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The state saved in `path`. Raises LearningError, naming it, when a part is missing, cut short or changed."""
    advice = "delete this folder to go on from the checkpoint before it"
    try:
        note = json.loads((path / "state.json").read_text(encoding="utf-8"))
        if note["format"] != FORMAT:
            raise LearningError(f"checkpoint {path} has format {note['format']}, this version reads {FORMAT}; {advice}")
        whole = note["sha256"] == _digest(path / "state.pt")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LearningError(f"checkpoint {path} is incomplete ({error}); {advice}") from error
    if not whole:
        raise LearningError(f"checkpoint {path} was cut short or changed (its digest differs); {advice}")
    state: dict[str, Any] = torch.load(path / "state.pt", weights_only=True)
    return state


def newest_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The newest whole checkpoint's state, or None where there is no folder at all. Broken ones are named in a warning.

    Raises LearningError when there are checkpoints and none of them is whole.
    """
    found = checkpoints(folder)
    for path in reversed(found):
        try:
            return load_checkpoint(path)
        except LearningError as error:
            logger.warning("%s", error)
    if found:
        raise LearningError(f"no checkpoint in {folder} is whole; start the run again in another folder")
    return None


def _tensors(value: Any) -> Any:
    """Numpy arrays as tensors and numpy numbers as Python's, in nested dicts, lists and tuples."""
    if isinstance(value, Mapping):
        return {key: _tensors(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_tensors(item) for item in value)
    if isinstance(value, np.ndarray):
        return torch.as_tensor(value)
    return value.item() if isinstance(value, np.generic) else value


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
