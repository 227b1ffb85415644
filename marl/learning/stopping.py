"""When training ends: the rules of `training.stop`, read from the metrics rows alone, so that a resumed run agrees."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from typing import Any

from marl.errors import LearningError
from marl.training_settings import PlateauSettings, StopSettings

RETURN = "evaluation/normal"
"""The metric that `return_at_least` reads: mean payoff per agent in periodic evaluation."""


class StopRules:
    """Reads every row of metrics in order; `reason` is why training ends there, None as long as it goes on."""

    def __init__(self, settings: StopSettings) -> None:
        self.settings = settings
        self.reason: str | None = None
        self._plateau = Plateau(settings.plateau) if settings.plateau is not None else None

    def read(self, row: Mapping[str, Any]) -> str | None:
        """Take in the next row; gives `reason`. Raises LearningError for a plateau of a metric that is never there."""
        found = list(self._reached(row))
        if self._plateau is not None:
            found += self._plateau.read(row)
        if self.reason is None and found:
            self.reason = found[0]
        return self.reason

    def _reached(self, row: Mapping[str, Any]) -> Iterator[str]:
        for name, metric in (("return_at_least", RETURN), ("env_steps", "env_steps"), ("time_s", "time_s")):
            wanted = getattr(self.settings, name)
            if wanted is not None and metric in row and row[metric] >= wanted:
                yield f"{name}: {metric} is {row[metric]:g}, and {wanted:g} was asked"


class Plateau:
    """Counts the values of a metric since the last one that was better than the best by more than `min_delta`."""

    def __init__(self, settings: PlateauSettings) -> None:
        self.settings = settings
        self.best = -math.inf if settings.mode == "max" else math.inf
        self.stale = 0
        self._awaited = Awaited(settings.metric, "training.stop.plateau.metric")

    def read(self, row: Mapping[str, Any]) -> Iterator[str]:
        """The reason where the row completes a plateau."""
        settings = self.settings
        if not self._awaited.read(row):
            return
        value = float(row[settings.metric])
        gain = value - self.best if settings.mode == "max" else self.best - value
        if gain > settings.min_delta:
            self.best, self.stale = value, 0
        else:
            self.stale += 1
        if self.stale >= settings.patience:
            yield f"plateau: {settings.metric} has not improved on {self.best:g} in {self.stale} values"


class Awaited:
    """A metric that has to come: once rows of training and of evaluation are there, it is in one or in none at all.

    `key` is the setting that names it, for the error's text.
    """

    def __init__(self, metric: str, key: str) -> None:
        self.metric, self.key = metric, key
        self._seen: set[str] = set()

    def read(self, row: Mapping[str, Any]) -> bool:
        """Whether the row has it. Raises LearningError where no row ever will."""
        self._seen |= set(row)
        if self.metric not in self._seen and RETURN in self._seen and "charts/episodic_return" in self._seen:
            close = difflib.get_close_matches(self.metric, self._seen, n=3, cutoff=0.3)
            raise LearningError(
                f"{self.key}: this run has no metric {self.metric!r}; close ones: {close or sorted(self._seen)}"
            )
        return self.metric in row
