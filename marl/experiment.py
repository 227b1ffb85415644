"""The whole of Parley in five functions: train, evaluate, analyze, report, and run = all of them.

Start reading here. Each function takes a scenario or a run directory, and writes its result into the run directory.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from marl.errors import LearningError, ParleyError, StoreError
from marl.multi_task import AnyScenario
from marl.payoffs import Rows, to_refine, write_tournament
from marl.scenario import evaluated
from marl.seeding import seed_of, stream
from marl.settings import ChannelSettings, LanguageModelSettings, Scenario, ScriptedSettings
from marl.store import RunDirectory
from marl.usage import keep, metering, used

if TYPE_CHECKING:
    from marl.policies.protocol import Policy
    from marl.types import Episode

logger = logging.getLogger(__name__)
TWIN = "silent_twin"
CONCEPT_TIME = 60.0
"""Seconds that the solution concepts of an empirical game may take, unless told otherwise."""

Checkpoint = Literal["last", "best"]
Progress = Callable[[str, Mapping[str, Any]], None]


def _quiet(step: str, row: Mapping[str, Any]) -> None:
    """Report nothing."""


def train(
    scenario: AnyScenario, out: str | Path, *, resume: bool = False, on_progress: Progress = _quiet, command: str = ""
) -> RunDirectory:
    """Train the learning seats of `scenario` and export their policies into the run directory `out`.

    Of several tasks (a `MultiTask`), `out`/tasks has a run directory each, for the functions that take a single one.

    With `resume`, go on from the newest whole checkpoint in `out`; the scenario is then read from there. `on_progress`
    gets ("train", metrics row) before training and after each iteration. On Ctrl-C a checkpoint is saved before
    KeyboardInterrupt goes on. run.json then says how training `ended`.
    """
    from marl.learning.trainer import Trainer

    check_trainable(scenario)
    run = RunDirectory(out) if resume else RunDirectory.create(out, scenario, command)
    try:
        with Trainer(run.settings(), run.path, resume=resume) as trainer:
            parameters = trainer.parameters()
            run.update_run(status="training", parameters=parameters)
            with metering(run, "train", trainer.algorithm.meters):
                closing = trainer.run(on_iteration=lambda row: on_progress("train", row))
            trainer.export(run.path / "policies")
    except KeyboardInterrupt:
        run.update_run(status="interrupted")
        raise
    except ParleyError as error:
        with suppress(StoreError):  # no room is left, perhaps, and what went wrong is the other error
            run.update_run(status="failed", ended=f"{type(error).__name__}: {error}")
        raise
    run.update_run(status="trained", ended=closing["reason"])
    for name, task in run.tasks().items():
        task.update_run(status="trained", ended=closing["reason"], parameters=parameters)
        task.replace_metrics(task_rows(name, run.metrics()))
    return run


def task_rows(task: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Metrics rows of a run over several tasks as one task's own: GROUP/TASK/NAME becomes GROUP/NAME, and what the
    whole has under that name, or of another task, is left out.
    """
    found = []
    for row in rows:
        own = {name.replace(f"/{task}/", "/"): value for name, value in row.items() if f"/{task}/" in name}
        shared = {name: value for name, value in row.items() if name.partition("/")[0] not in {"charts", "evaluation"}}
        found.append({**shared, **own})
    return found


def tune(
    file: str | Path, out: str | Path, *, resume: bool = False, on_progress: Progress = _quiet
) -> list[dict[str, Any]]:
    """Train every trial of the search `file`, each into a run directory `out`/trials/NUMBER; the results, best first.

    They stand in `out`/results.csv and results.json too. With `resume`, go on with the search that is in `out`.
    """
    from marl.learning.search import search

    return search(file, out, resume=resume, on_progress=lambda row: on_progress("tune", row))


def check_trainable(scenario: AnyScenario) -> None:
    """Raise LearningError where a policy that learns starts from an int8 folder: rounded weights have no gradient."""
    from marl.models.quantize import is_int8

    for name, policy in scenario.policies.items():
        if isinstance(policy, LanguageModelSettings) and policy.learn and is_int8(policy.model):
            raise LearningError(
                f"policies.{name}: {policy.model} is an int8 network, which only plays; train the float policy that "
                "it was exported from, or set learn: false for this policy"
            )


def warn_of_idle(scenario: AnyScenario, overrides: Sequence[str] = ()) -> None:
    """Warn of training settings without effect; see `marl.learning.effect.warning_of`."""
    from marl.learning.effect import warning_of

    told = warning_of(scenario.training, overrides)
    if told is not None:
        logger.warning("%s", told)


def silent(scenario: Scenario) -> Scenario:
    """The scenario's twin in which nobody can say anything: the control that every claim about talk is held against."""
    channel = scenario.channel.model_copy(update={"intervention": "off"})
    return scenario.model_copy(update={"channel": channel})


def policies_of(
    run: RunDirectory, fixed: Mapping[str, Policy] | None = None, *, checkpoint: Checkpoint = "last"
) -> dict[str, Policy]:
    """The run's trained policies, by policy name; the others as the scenario names them, or those of `fixed`.

    The trained ones are as the `last` iteration left them, or as they were at the `best` periodic evaluation.
    """
    if checkpoint == "best":
        from marl.learning.trained import best_policies

        return best_policies(run) | _kept(fixed)
    folder = run.path / "policies"
    if not folder.is_dir():
        raise StoreError(
            f"{str(run.path)!r} holds no trained policies; `marl train --resume --out {run.path}` makes them"
        )
    return _build(run.scenario(), fixed, folder)


def untrained_policies(scenario: Scenario, fixed: Mapping[str, Policy] | None = None) -> dict[str, Policy]:
    """Copies of the policies as they were before the first update; those of `fixed` that never learn are not copied."""
    return _build(scenario, fixed)


def _build(scenario: Scenario, fixed: Mapping[str, Policy] | None, trained: Path | None = None) -> dict[str, Policy]:
    """A policy that never learns is one object wherever it plays, so that an API model has one meter and one limit.

    Adapters go over the bases that `fixed` holds in memory.
    """
    from marl.policies import build_policies
    from marl.policies.bases import Bases

    kept = _kept(fixed)
    new, bases = [name for name in scenario.policies if name not in kept], Bases((fixed or {}).values())
    return kept | build_policies(scenario, seed=scenario.seed, trained=trained, bases=bases, only=new)


def _kept(fixed: Mapping[str, Policy] | None) -> dict[str, Policy]:
    """Those that are the same in every run; a league is not, although it never learns."""
    from marl.policies.league import LeaguePolicy

    fixed = fixed or {}
    return {name: p for name, p in fixed.items() if not p.trainable and not isinstance(p, LeaguePolicy)}


def evaluate(
    out: str | Path, *, env_runners: int = 0, checkpoint: Checkpoint = "last", on_progress: Progress = _quiet
) -> dict[str, Any]:
    """Play every arm of the run on the same seeds, with controls beside it; writes evaluation.json and the episodes.

    `checkpoint` as in `policies_of`, for the silent twin too; evaluation.json says which.
    """
    from marl.communication import audit
    from marl.evaluation import evaluate_arms
    from marl.learning.sampling import sampler
    from marl.policies import as_evaluated, meters

    run = RunDirectory(out)
    scenario, policies = run.scenario(), policies_of(run, checkpoint=checkpoint)
    with metering(run, "evaluate", meters(policies.values())), sampler(env_runners) as play_with:

        def player(setting: Scenario, policies: Mapping[str, Policy], name: str) -> Callable[..., list[Episode]]:
            def play_arm(indices: Any, **arguments: Any) -> list[Episode]:
                on_progress("evaluate", {"arm": arguments.get("intervention") or name})
                return play_with(evaluated(setting), as_evaluated(setting, policies), indices, **arguments)

            return play_arm

        controls = {"untrained": player(scenario, untrained_policies(scenario, policies), "untrained")}
        if run.has(TWIN):
            twin = RunDirectory(run.path / TWIN)
            controls[TWIN] = player(twin.scenario(), policies_of(twin, policies, checkpoint=checkpoint), TWIN)
        trained = player(scenario, policies, "normal")
        evaluation, episodes = evaluate_arms(scenario, trained, controls)
    evaluation = audit(evaluation, episodes) | {"checkpoint": checkpoint}
    for arm, played in episodes.items():
        run.write_episodes(arm, played)
    run.write_json("evaluation.json", evaluation)
    return evaluation


def analyze(
    out: str | Path,
    *,
    checkpoint: Checkpoint = "last",
    refine: int | None = None,
    time_limit: float = CONCEPT_TIME,
    on_progress: Progress = _quiet,
) -> dict[str, Any]:
    """Play the tournament of trained, untrained and scripted policies; write the empirical game to analysis.json.

    `checkpoint` as in `policies_of`. The payoffs of all episodes stand in tournament.json. With `refine` they are kept,
    and up to so many more episodes are played where the last analysis says that they are needed to decide what is
    open. Solving the game may take `time_limit` seconds; what they do not suffice for the analysis names. Raises
    StoreError where there is no analysis of this checkpoint to refine, and EnvError where a profile has
    fewer than two completed episodes.
    """
    from marl.evaluation import check_completed, choose_profiles, play_profiles
    from marl.games import EmpiricalGame, summarize
    from marl.games.limits import Deadline
    from marl.policies import meters
    from marl.rollout import play as rollout

    Deadline(time_limit)  # one that is none is refused before anything is played
    run = RunDirectory(out)
    scenario = run.scenario()
    policies = policies_of(run, checkpoint=checkpoint)
    strategies = seat_strategies(scenario, policies, untrained_policies(scenario, policies))
    seed, names = seed_of(scenario.seed, "tournament"), {agent: list(table) for agent, table in strategies.items()}

    def play_profile(profile: Mapping[str, Policy], indices: Any) -> list[Episode]:
        return rollout(scenario, profile, indices, seed=seed)

    def on_profile(done: int, total: int) -> None:
        on_progress("analyze", {"done": done, "total": total})

    if refine is None:
        rows: Rows = {}
        profiles = choose_profiles([len(own) for own in names.values()])
        wanted = dict.fromkeys(profiles, range(scenario.analysis.episodes))
    else:
        rows, wanted = to_refine(run, names, checkpoint, refine)
    with metering(run, "analyze", meters(policies.values())):
        played, failed = play_profiles(play_profile, strategies, wanted, on_profile=on_profile)
    for profile, own in played.items():
        rows[profile] = rows.get(profile, {}) | own
    check_completed(rows, failed)
    write_tournament(run, names, checkpoint, rows)
    game = EmpiricalGame.from_episodes(names, rows)
    analysis = summarize(
        game,
        tuple(0 for _ in names),
        confidence=scenario.evaluation.confidence,
        rng=stream(scenario.seed, "bootstrap", "analysis"),
        concept_time=time_limit,
    )
    analysis["checkpoint"] = checkpoint
    run.write_json("analysis.json", analysis)
    return analysis


def seat_strategies(
    scenario: Scenario, trained: Mapping[str, Policy], untrained: Mapping[str, Policy]
) -> dict[str, dict[str, Policy]]:
    """For each agent, the policies that may sit there in the tournament, by name; the trained one stands first."""
    from marl.policies import scripted_policy

    table: dict[str, dict[str, Policy]] = {}
    for agent, seat in scenario.seats.items():
        table[agent] = {"trained": trained[seat]}
        if trained[seat].trainable:
            table[agent]["untrained"] = untrained[seat]
        for name, settings in scenario.analysis.strategies.items():
            table[agent][name] = scripted_policy(name, settings)
    return table


def report(out: str | Path) -> Path:
    """Write RUN/report.html from the files of the run; returns its path."""
    from marl.report import render_report

    return render_report(RunDirectory(out).path)


def run(
    scenario: Scenario, out: str | Path, *, resume: bool = False, on_progress: Progress = _quiet, command: str = ""
) -> RunDirectory:
    """Train (with the silent twin beside it), evaluate, analyze and report."""
    from marl.twin import training_twin

    check_trainable(scenario)
    directory = RunDirectory(out) if resume else RunDirectory.create(out, scenario, command)
    scenario = directory.scenario()
    start = time.monotonic()
    spent = directory.read_json("run.json").get("duration_s", 0.0)
    with training_twin(silent(scenario), directory.path / TWIN, wanted=wants_twin(scenario), on_progress=on_progress):
        train(scenario, directory.path, resume=True, on_progress=on_progress)
    if directory.has(TWIN):
        keep(directory, "twin", used(RunDirectory(directory.path / TWIN)).get("train", {}))
    evaluate(directory.path, env_runners=scenario.training.env_runners, on_progress=on_progress)
    analyze(directory.path, on_progress=on_progress)
    on_progress("report", {})
    directory.update_run(
        status="done", finished=f"{datetime.now():%Y-%m-%d %H:%M}", duration_s=spent + time.monotonic() - start
    )
    report(directory.path)
    return directory


def wants_twin(scenario: Scenario) -> bool:
    """Whether a silent twin would differ from the run itself."""
    channel: ChannelSettings = scenario.channel
    talks = channel.intervention != "off" and channel.topology != "none" and channel.talk_rounds > 0
    return scenario.training.silent_twin and talks


def play(
    scenario: Scenario,
    *,
    seats: Mapping[str, str] | None = None,
    episodes: int = 1,
    on_turn: Callable[[Episode], None] | None = None,
    policies: Mapping[str, Policy] | None = None,
) -> list[Episode]:
    """Play `episodes` with the scenario's policies (or the given ones) and return their records.

    `seats` puts somebody else on an agent: "human", "random", or "module:attribute" of a scripted function.
    `on_turn` is called with the growing episode after each step, so that one can watch it.
    """
    from marl.policies import HumanPolicy, scripted_policy
    from marl.rollout import play as rollout

    sitting: dict[str, Policy] = dict(policies if policies is not None else untrained_policies(scenario))
    for agent, who in (seats or {}).items():
        if who == "human":
            sitting[agent] = HumanPolicy(agent)
        else:
            entry = who if ":" in who else f"marl.policies.scripted:{who}"
            sitting[agent] = scripted_policy(who, ScriptedSettings(kind="scripted", entry=entry))
    seed = seed_of(scenario.seed, "play")
    return rollout(scenario, sitting, range(episodes), seed=seed, on_step=on_turn, group=1 if on_turn else 64)
