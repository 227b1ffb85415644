"""What the command line's options make of a scenario's name: settings, and the folder of the run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from marl.errors import ParleyError
from marl.multi_task import AnyScenario, MultiTask, load_any
from marl.settings import Scenario
from marl.store import SETTINGS, RunDirectory

RUNS = Path("runs")
MORE_EPISODES = 4096
"""That `marl analyze --refine` may add unless told otherwise."""
S = TypeVar("S", Scenario, AnyScenario)


def any_scenario(
    name: str,
    overrides: list[str],
    seed: int | None,
    model: str | None,
    env_runners: int | None = None,
    resume: bool = False,
) -> AnyScenario:
    """The scenario as the options say; with `resume` they may say nothing, so that a run's curve has one meaning."""
    given = {"--set": overrides, "--seed": seed is not None, "--model": model, "--env-runners": env_runners}
    changed = [option for option, value in given.items() if value]
    if resume and changed:
        raise ParleyError(
            f"--resume goes on with the scenario that the run was made from; leave out {', '.join(changed)}, "
            "or start a new run without --resume"
        )
    extra = list(overrides)
    if seed is not None:
        extra.append(f"seed={seed}")
    if env_runners is not None:
        extra.append(f"training.env_runners={env_runners}")
    scenario = load_any(name, extra)
    if model is not None:
        seats = [key for key, policy in scenario.policies.items() if policy.kind == "language_model"]
        scenario = load_any(name, [*extra, *(f"policies.{key}.model={model}" for key in seats)])
    return scenario


def one_scenario(name: str, *options: Any) -> Scenario:
    """The single scenario that `any_scenario` gives. Raises ParleyError where the file lists several tasks."""
    settings = any_scenario(name, *options)
    if isinstance(settings, MultiTask):
        raise ParleyError(
            f"{name} lists several tasks; `marl train {name}` trains them, then `marl evaluate` and `marl compare` "
            f"measure. Here give one scenario, such as one of its tasks: {', '.join(settings.tasks)}"
        )
    return settings


def check_analysis(
    over_checkpoints: bool,
    communication: bool,
    refine: bool,
    budget: int | None,
    time_limit: float | None,
    checkpoint: str,
) -> None:
    """ParleyError for options of `marl analyze` of which one says nothing beside another."""
    if over_checkpoints + communication + refine > 1:
        raise ParleyError(
            "--over-checkpoints, --communication and --refine are analyses of their own; ask for one at a time"
        )
    if budget is not None and not refine:
        raise ParleyError("--budget is how many episodes --refine may add; give both or neither")
    if time_limit is not None and (over_checkpoints or communication):
        raise ParleyError("--time-limit is for the solution concepts, of which this analysis asks none; leave it out")
    if over_checkpoints and checkpoint != "last":
        raise ParleyError("--over-checkpoints compares all kept checkpoints; leave out --checkpoint")


def begun(scenario: S, out: Path | None, resume: bool) -> tuple[S, Path]:
    """What is to be done, and where: `settings_of` the run in `run_folder`."""
    folder = run_folder(scenario, out, resume)
    return settings_of(scenario, folder, resume), folder


def run_folder(scenario: AnyScenario, out: Path | None, resume: bool) -> Path:
    """The run directory: `out`, or with `resume` the newest run of the scenario, or a new one in runs/."""
    if out is not None:
        return out
    if resume:
        runs = sorted(path for path in RUNS.glob(f"{scenario.name}-*/*.yaml") if path.name in SETTINGS)
        if not runs:
            raise ParleyError(f"nothing to resume: no {RUNS}/{scenario.name}-* here; name the run directory with --out")
        return runs[-1].parent
    return RUNS / f"{scenario.name}-{datetime.now():%Y%m%d-%H%M%S}"


def settings_of(scenario: S, folder: Path, resume: bool) -> S:
    """What is trained into `folder`: `scenario`, or with `resume` what the run there was made from.

    Raises ParleyError where that run is of another scenario, and StoreError where there is none.
    """
    if not resume:
        return scenario
    kept = RunDirectory(folder).settings()
    if not isinstance(kept, type(scenario)) or kept.name != scenario.name:
        raise ParleyError(
            f"{str(folder)!r} is a run of {kept.name!r}, and {scenario.name!r} was to be resumed; name that scenario, "
            "or another folder with --out"
        )
    return kept
