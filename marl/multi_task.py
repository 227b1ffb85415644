"""One training over several scenarios: the file that lists them, and what each of them becomes in it.

Every task becomes a whole `Scenario` of its own, under the task's name, with the shared policies on its seats, the
shared training settings, its share of the episodes and the shared root seed. What trains reads nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from marl.errors import ScenarioError
from marl.scenario import SCENARIO_PACKAGE, find_file, overridden, packaged_scenarios, read_yaml, validated
from marl.settings import HumanSettings, LeagueSettings, PolicySettings, Scenario, Settings, TrainingSettings

GROUPED = "magrpo"
"""The algorithm whose episodes come in groups of `training.group`."""


class TaskSettings(Settings):
    """One of the scenarios, and its `share` of each iteration's episodes in proportion to the others'."""

    share: float = Field(default=1.0, gt=0)
    scenario: Scenario


class MultiTask(Settings):
    """Policies that are trained over several scenarios at once, by task name. `training.episodes` is the sum of all."""

    name: str = Field(pattern=r"^[\w-]+$")
    title: str
    seed: int = Field(default=0, ge=0)
    tasks: dict[str, TaskSettings] = Field(min_length=2)
    policies: dict[str, PolicySettings]
    training: TrainingSettings = TrainingSettings()

    @property
    def seats(self) -> dict[str, str]:
        """Who sits on which seat of which task: "task/agent" -> policy."""
        games = games_of(self)
        return {f"{task}/{agent}": name for task, game in games.items() for agent, name in game.seats.items()}

    @model_validator(mode="after")
    def _can_be_trained_together(self) -> MultiTask:
        if self.training.value_based:
            raise ValueError(
                f"training.algorithm: {self.training.algorithm} learns one scenario; several are for reinforce, ippo, "
                "mappo, coma, magrpo and selfplay_ppo"
            )
        if self.training.learners:
            raise ValueError("training.learners: several scenarios are learned in this process; give 0")
        for name, policy in self.policies.items():
            if isinstance(policy, LeagueSettings | HumanSettings):
                raise ValueError(f"policies.{name}: a {policy.kind} plays one scenario; seat another kind of policy")
        idle = sorted(set(self.policies) - set(self.seats.values()))
        if idle:
            raise ValueError(f"policies {idle} sit in no task; seat them or leave them out")
        return self


AnyScenario = Scenario | MultiTask
"""What can be trained."""


def games_of(scenario: AnyScenario) -> dict[str, Scenario]:
    """The scenarios that are played, by their names: of a scenario it is the only one."""
    if isinstance(scenario, Scenario):
        return {scenario.name: scenario}
    return {name: task.scenario for name, task in scenario.tasks.items()}


def home_of(scenario: AnyScenario, policy: str) -> Scenario:
    """The first of the scenarios that seat `policy`; the scenario itself, if it is one."""
    games = list(games_of(scenario).values())
    return next((game for game in games if policy in game.seats.values()), games[0])


def packaged_multi_tasks() -> dict[str, Path]:
    """Name to file of every multi-task file that ships with Parley, in order of name."""
    folder = Path(str(resources.files(SCENARIO_PACKAGE))) / "multi_task"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_any(source: str | Path, overrides: Sequence[str] = ()) -> AnyScenario:
    """Read a scenario, or a multi-task file, packaged or by path; one with `tasks` is the latter. See `load_scenario`.

    Raises ScenarioError.
    """
    path = find_file(source, {**packaged_scenarios(), **packaged_multi_tasks()})
    data = overridden(read_yaml(path), overrides)
    return resolved(data, str(path)) if "tasks" in data else validated(Scenario, data, str(path))


def resolved(data: Mapping[str, Any], where: str = "file") -> MultiTask:
    """A MultiTask from plain data; `where` opens the error's text.

    `tasks` lists scenarios, or maps a task's name to `scenario` (a name, a file, or the scenario itself), `share`,
    `seats` and `set` (overrides). Without `seats` the only policy sits everywhere. Raises ScenarioError.
    """
    given = data["tasks"]
    tasks = {str(name): {"scenario": name} for name in given} if isinstance(given, list) else given
    if not isinstance(tasks, Mapping) or not all(isinstance(task, Mapping) for task in tasks.values()):
        raise ScenarioError(f"{where}: tasks: give a list of scenarios, or a mapping of names to {{scenario: ...}}")
    bare = {"name": "x", "title": "x", "policies": {}, "training": {}, **data}
    training = validated(TrainingSettings, bare["training"] or {}, f"{where}: training")
    episodes = _parts(where, training, {name: task.get("share", 1.0) for name, task in tasks.items()})
    found = {name: _task(where, name, task, data, episodes[name]) for name, task in tasks.items()}
    return validated(MultiTask, {**data, "tasks": found}, where)


def _parts(where: str, training: TrainingSettings, shares: Mapping[str, Any]) -> dict[str, int]:
    """Whole episodes, or groups of them, in proportion to the shares; what is left goes to the largest remainders."""
    if not all(isinstance(share, int | float) and share > 0 for share in shares.values()):
        raise ScenarioError(f"{where}: tasks: shares are numbers above 0; given: {dict(shares)}")
    unit = training.group if training.algorithm == GROUPED else 1
    units, whole = training.episodes // unit, sum(shares.values())
    exact = {name: units * share / whole for name, share in shares.items()}
    parts = {name: int(part) for name, part in exact.items()}
    for name in sorted(exact, key=lambda name: parts[name] - exact[name])[: units - sum(parts.values())]:
        parts[name] += 1
    empty = [name for name, part in parts.items() if not part]
    if empty:
        raise ScenarioError(
            f"{where}: training.episodes: {training.episodes} leave none for {empty}; give more, or larger shares"
        )
    return {name: part * unit for name, part in parts.items()}


def _task(where: str, name: str, task: Mapping[str, Any], data: Mapping[str, Any], episodes: int) -> dict[str, Any]:
    unknown = sorted(set(task) - {"scenario", "share", "seats", "set"})
    if unknown or "scenario" not in task:
        raise ScenarioError(f"{where}: tasks.{name}: give scenario and, if you like, share, seats and set; {unknown=}")
    source, policies = task["scenario"], data.get("policies") or {}
    own = dict(source) if isinstance(source, Mapping) else read_yaml(find_file(source, packaged_scenarios()))
    seats = task.get("seats")
    if seats is None and not isinstance(source, Mapping):
        if len(policies) != 1:
            raise ScenarioError(
                f"{where}: tasks.{name}: say who sits where, `seats: {{agent: policy}}`, of {[*policies]}"
            )
        seats = dict.fromkeys(own.get("seats", {}), next(iter(policies)))
    seats = own.get("seats", {}) if seats is None else seats
    own = overridden(own, task.get("set", ())) | {
        "name": name,
        "seed": data.get("seed", 0),
        "seats": seats,
        "policies": {policy: settings for policy, settings in policies.items() if policy in seats.values()},
        "training": {**(data.get("training") or {}), "episodes": episodes},
    }
    own["evaluation"] = {**own.get("evaluation", {}), "exact": None}
    scenario = validated(Scenario, own, f"{where}: tasks.{name}")
    return {"share": task.get("share", 1.0), "scenario": scenario}
