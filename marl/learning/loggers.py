"""Metrics rows to Weights & Biases and MLflow, for who keeps runs there: optional extras of the package.

Where and as whom they log is theirs to say: WANDB_PROJECT, WANDB_MODE, MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME and
so on, as their own documentation has it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from marl.errors import LearningError
from marl.multi_task import AnyScenario

PROJECT = "parley"


class Sink(Protocol):
    """Takes metrics rows."""

    def write(self, row: Mapping[str, Any]) -> None:
        """Take one row in."""

    def close(self) -> None:
        """Finish."""


def open_loggers(scenario: AnyScenario, run: Path) -> list[Sink]:
    """The sinks that `training.loggers` names. Raises LearningError where a library is not installed or refuses."""
    makers: dict[str, Callable[[AnyScenario, Path], Sink]] = {"wandb": WandbSink, "mlflow": MLflowSink}
    return [makers[name](scenario, run) for name in scenario.training.loggers]


def numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """The row's numbers but for the iteration, which is their axis."""
    return {key: value for key, value in row.items() if key != "iteration" and isinstance(value, int | float)}


def dotted(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level: {"training.lr": 0.0003, ...}."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        flat |= dotted(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value}
    return flat


def library(name: str) -> Any:
    """Import a logging library. Raises LearningError, naming the extra, where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise LearningError(
            f"training.loggers names {name}, which is not installed ({error}); "
            f"`pip install 'parley-marl[{name}]'`, or leave it out"
        ) from error


class WandbSink:
    """A W&B run in RUN/wandb; a resumed run goes on in the same one, which W&B finds by the run directory's name."""

    def __init__(self, scenario: AnyScenario, run: Path) -> None:
        wandb = library("wandb")
        try:
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", PROJECT),
                name=run.name,
                id=os.environ.get("WANDB_RUN_ID", run.resolve().name),
                resume="allow",
                dir=run,
                config=scenario.model_dump(mode="json"),
                settings=wandb.Settings(console="off", silent=True),
            )
        except wandb.errors.Error as error:
            raise LearningError(
                f"wandb refuses to start ({error}); log in with `wandb login`, or set WANDB_MODE=offline"
            ) from error

    def write(self, row: Mapping[str, Any]) -> None:
        """Log the row's numbers at its iteration."""
        self._run.log(numbers(row), step=row["iteration"])

    def close(self) -> None:
        """Upload what is left."""
        self._run.finish()


class MLflowSink:
    """An MLflow run named after the run directory; a resumed run goes on in the one of that name."""

    def __init__(self, scenario: AnyScenario, run: Path) -> None:
        mlflow = library("mlflow")
        try:
            # Named here, since Ray's callback sets another one for the whole process.
            self._client = mlflow.tracking.MlflowClient(os.environ.get("MLFLOW_TRACKING_URI"))
            experiment = self._experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT))
            key = str(run.resolve())
            old = self._client.search_runs([experiment], filter_string=f"tags.run_directory = '{key}'", max_results=1)
            tags = {"run_directory": key}
            started = old[0] if old else self._client.create_run(experiment, run_name=run.name, tags=tags)
            self._id = started.info.run_id
            if not old:
                for name, value in dotted(scenario.model_dump(mode="json")).items():
                    self._client.log_param(self._id, name, str(value)[:500])
        except mlflow.exceptions.MlflowException as error:
            raise LearningError(f"mlflow refuses to start ({error}); set MLFLOW_TRACKING_URI to your server") from error

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        return found.experiment_id if found is not None else self._client.create_experiment(name)

    def write(self, row: Mapping[str, Any]) -> None:
        """Log the row's numbers at its iteration."""
        for name, value in numbers(row).items():
            self._client.log_metric(self._id, name, value, step=row["iteration"])

    def close(self) -> None:
        """Mark the run as finished."""
        self._client.set_terminated(self._id)
