"""A search over scenario fields with Ray Tune; every trial is a run directory that all other commands can open."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from ray import tune
from ray.tune.schedulers import ASHAScheduler

from marl.errors import LearningError, StoreError
from marl.learning.cluster import ensure_ray
from marl.learning.effect import without_effect
from marl.learning.loggers import PROJECT, library
from marl.learning.loggers import numbers as numbers_of
from marl.learning.search_space import SearchSettings, load_search
from marl.learning.stopping import Awaited
from marl.learning.trainer import Trainer
from marl.settings import Scenario
from marl.store import RunDirectory, write_atomically

logger = logging.getLogger(__name__)
Row = dict[str, Any]
SEARCH = "search.yaml"
RESULTS = "results"


class Trial(tune.Trainable):
    """Trains one run directory; a step of Tune goes on to the next row that has the metric.

    config: folder, metric. What the folder holds already is reported first, so that a search that is resumed tells its
    scheduler the same as before.
    """

    def setup(self, config: Mapping[str, Any]) -> None:
        """Go on with the run where it is."""
        self.run, self.metric = RunDirectory(config["folder"]), Awaited(config["metric"], "metric")
        self.trainer = Trainer(self.run.scenario(), self.run.path, resume=True)
        self.past = [row for row in map(_measured, self.run.metrics()) if self.metric.read(row)]
        self.run.update_run(status="training", parameters=self.trainer.parameters())

    def step(self) -> Row:
        """The next row with the metric, and whether training is over. Raises LearningError where none will have it."""
        while not self.past:
            if self.trainer.reason is not None:
                raise LearningError(f"metric {self.metric.metric!r} came in no further row of this trial")
            self.past = [row for row in [_measured(self.trainer.step())] if self.metric.read(row)]
        row = self.past.pop(0)
        return {**row, "done": self._is_last(row)}

    def _is_last(self, row: Mapping[str, Any]) -> bool:
        return not self.past and self.trainer.reason is not None and row["iteration"] == self.trainer.iteration

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save in the run directory, which is where a trial goes on from; Tune keeps nothing of its own."""
        self.trainer.save()

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing to do: `setup` has gone on with the run."""

    def cleanup(self) -> None:
        """Leave a run that is trained as far as it came."""
        self.trainer.save()
        self.trainer.export(self.run.path / "policies")
        self.trainer.close()
        self.run.update_run(status="trained", ended=self.trainer.reason or "stopped: others did better so far")


def _measured(row: Mapping[str, Any]) -> Row:
    """What of a row of metrics can be compared."""
    return {**numbers_of(row), "iteration": row["iteration"]}


class Told(tune.Callback):
    """Passes on how many trials are over, and the best value so far."""

    def __init__(self, total: int, settings: SearchSettings, tell: Callable[[Row], None]) -> None:
        self._total, self._settings, self._tell = total, settings, tell
        self._over: set[str] = set()
        self._values: dict[str, float] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its settings for a resume of its own, which is not used, and a terminal cannot be."""
        return {}

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Row, **_: Any) -> None:
        """Keep the trial's latest value."""
        self._values[trial.trial_id] = result[self._settings.metric]

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
        """Tell that it is over."""
        self._over.add(trial.trial_id)
        best = (max if self._settings.mode == "max" else min)(self._values.values(), default=float("nan"))
        self._tell({"done": len(self._over), "total": self._total, "note": f"best {best:.3g}"})

    on_trial_error = on_trial_complete


def search(
    file: str | Path, out: str | Path, *, resume: bool = False, on_progress: Callable[[Row], None] = lambda row: None
) -> list[Row]:
    """Run all trials of the search `file` under `out`; the rows of `table`, which RUN/results.csv and .json hold too.

    With `resume`, go on with the search in `out`, which `file` must be. Raises ScenarioError before any trial starts
    where a field is unknown or a value not allowed, StoreError for another search than the one to go on with, and
    LearningError when every trial failed.
    """
    out = Path(out)
    if not resume and (out / SEARCH).exists():
        raise StoreError(f"{str(out)!r} already holds a search; go on with --resume, or choose another --out")
    if resume and not (out / SEARCH).exists():
        raise StoreError(f"{str(out)!r} holds no search to go on with; leave out --resume")
    settings = load_search(file)
    if resume:
        settings = _kept(out / SEARCH, settings, file)
    values = settings.trials()
    scenarios = [settings.scenario_of(each) for each in values]
    folders = [out / "trials" / f"{number:04d}" for number in range(len(values))]
    write_atomically(out / SEARCH, yaml.safe_dump(settings.model_dump(mode="json", exclude_none=True), sort_keys=False))
    for name, why in _idle(settings, scenarios).items():
        logger.warning(
            "space.%s: it has no effect in any trial (beside %s), so that they do not differ in it", name, why
        )
    for folder, scenario in zip(folders, scenarios, strict=True):
        if not (folder / "scenario.yaml").exists():
            RunDirectory.create(folder, scenario, f"marl tune: trial {folder.name}")
    runners = max(scenario.training.env_runners + scenario.training.learners for scenario in scenarios)
    ensure_ray(settings.concurrent * (1 + runners))
    told = Told(len(folders), settings, on_progress)
    results = _tuner(settings, folders, runners, max(s.training.iterations for s in scenarios), told, out).fit()
    for folder, result in zip(folders, results, strict=True):
        if result.error is not None:
            RunDirectory(folder).update_run(status="failed", ended=_why(result.error))
    rows = table(settings, values, folders)
    _write(out, rows)
    if all(row["status"] == "failed" for row in rows):
        raise LearningError(f"all {len(rows)} trials failed; the first: {rows[0]['ended']}")
    return rows


def _kept(path: Path, given: SearchSettings, file: str | Path) -> SearchSettings:
    """The search in `path`. Raises StoreError where `given`, read from `file`, is another one."""
    kept = load_search(path)
    other = [name for name in SearchSettings.model_fields if getattr(kept, name) != getattr(given, name)]
    if other:
        raise StoreError(
            f"{str(file)!r} is not the search that {str(path.parent)!r} holds: {', '.join(other)} differ. Go on with "
            f"{str(path)!r}, or start the new search in another --out"
        )
    return kept


def _idle(settings: SearchSettings, scenarios: list[Scenario]) -> dict[str, str]:
    """The fields of the space that no trial reads: name -> beside what."""
    trials = [without_effect(scenario.training, given=settings.space) for scenario in scenarios]
    return {name: trials[0][name] for name in settings.space if all(name in idle for idle in trials)}


def _why(error: Exception) -> str:
    """The error itself; where Ray gives it as the text of a traceback, that ends with it."""
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[-1] if lines else repr(cause)


def _tuner(
    settings: SearchSettings, folders: list[Path], runners: int, iterations: int, told: Told, out: Path
) -> tune.Tuner:
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # whose verbose=0 prints a table at each trial's end
    scheduler = None
    if settings.scheduler == "asha":
        grace = min(settings.grace, iterations)
        scheduler = ASHAScheduler(
            "iteration",
            max_t=iterations + 1,  # the run itself ends at `iterations`
            grace_period=grace,
            reduction_factor=settings.reduction,
        )
    return tune.Tuner(
        tune.with_resources(Trial, {"cpu": 1 + runners}),
        param_space={"folder": tune.grid_search([str(path.resolve()) for path in folders]), "metric": settings.metric},
        tune_config=tune.TuneConfig(
            metric=settings.metric,
            mode=settings.mode,
            scheduler=scheduler,
            max_concurrent_trials=settings.concurrent,
        ),
        run_config=tune.RunConfig(
            name=out.resolve().name,
            storage_path=str(out.resolve() / "ray"),
            verbose=0,
            callbacks=[told, *_callbacks(settings, out)],
        ),
    )


def _callbacks(settings: SearchSettings, out: Path) -> list[tune.Callback]:
    """Ray's own loggers; as with a single run, the environment says where to."""
    found: list[tune.Callback] = []
    for name in settings.loggers:
        library(name)
        if name == "wandb":
            from ray.air.integrations.wandb import WandbLoggerCallback

            found.append(WandbLoggerCallback(project=os.environ.get("WANDB_PROJECT", PROJECT), group=out.name))
        else:
            from ray.air.integrations.mlflow import MLflowLoggerCallback

            uri, experiment = (os.environ.get(f"MLFLOW_{key}") for key in ("TRACKING_URI", "EXPERIMENT_NAME"))
            found.append(MLflowLoggerCallback(tracking_uri=uri, experiment_name=experiment or PROJECT))
    return found


def table(settings: SearchSettings, values: list[Row], folders: list[Path]) -> list[Row]:
    """A row for each trial, best first: trial, its last value of the metric, its fields, how far and how it ended.

    A trial without any value stands at the end.
    """
    rows = []
    for each, folder in zip(values, folders, strict=True):
        run = RunDirectory(folder)
        measured = [row for row in run.metrics() if settings.metric in row]
        last, card = run.metrics()[-1:] or [{}], run.read_json("run.json")
        rows.append(
            {
                "trial": folder.name,
                settings.metric: measured[-1][settings.metric] if measured else None,
                **each,
                "iterations": last[0].get("iteration", 0),
                "time_s": last[0].get("time_s", 0.0),
                "status": card["status"],
                "ended": card.get("ended", ""),
                "run": str(folder),
            }
        )
    sign = -1.0 if settings.mode == "max" else 1.0

    def rank(row: Row) -> tuple[bool, float]:
        value = row[settings.metric]
        return value is None, 0.0 if value is None else sign * value

    return sorted(rows, key=rank)


def _write(out: Path, rows: list[Row]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(out / f"{RESULTS}.csv", text.getvalue())
    write_atomically(out / f"{RESULTS}.json", json.dumps(rows, indent=1) + "\n")
