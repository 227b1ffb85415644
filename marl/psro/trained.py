"""The oracle that trains: each best response is a training run of its own, against the frozen members of the others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from marl import experiment
from marl.errors import ScenarioError
from marl.evaluation.tournament import Profile, play_profile
from marl.games.meta_solver import MetaStrategy
from marl.multi_task import AnyScenario, resolved
from marl.psro.loop import grow
from marl.psro.record import Record
from marl.psro.words import described
from marl.scenario import dump_scenario, validate_scenario
from marl.seeding import seed_of
from marl.settings import HumanSettings, LanguageModelSettings, LeagueSettings, NetworkSettings, Scenario
from marl.store import SETTINGS, RunDirectory, write_atomically

if TYPE_CHECKING:
    from marl.policies import Policy

POPULATION = "population"
RESPONSES = "best_responses"


class TrainedOracle:
    """Trains and plays for the seats of `scenario` that learn; a policy name is a population, shared by its seats.

    RUN/population/NAME/NUMBER is an exported policy, 000 the one before training, and RUN/best_responses/NUMBER/NAME
    the run directory that number NUMBER came from. Fixed seats are part of the game. Raises ScenarioError where fewer
    than two seats learn, or a league or a person is seated.
    """

    def __init__(
        self, scenario: Scenario, run: RunDirectory, *, on_progress: experiment.Progress = lambda step, row: None
    ) -> None:
        from marl.learning.seating import learning_policies
        from marl.policies import build_policies
        from marl.rollout import Tables

        training = scenario.psro.training or scenario.training
        self.scenario = scenario.model_copy(update={"training": training})
        self._run, self._on_progress = run, on_progress
        self._check()
        self._settings = learning_policies(scenario)
        self.populations: Mapping[str, str] = {
            agent: name for agent, name in scenario.seats.items() if name in self._settings
        }
        if len(self.populations) < 2:
            raise ScenarioError(
                f"PSRO needs two seats or more that learn; given: {', '.join(self.populations) or 'none'} of "
                f"{', '.join(scenario.seats)}. Give their policies learn: true, or use `marl train`"
            )
        self._tables = Tables(scenario)
        self._built: dict[tuple[str, int], Policy] = {}
        self._plans: dict[tuple[str, int], np.ndarray] = {}
        fixed = [name for name in scenario.policies if name not in self._settings]
        self._fixed = build_policies(scenario, seed=scenario.seed, only=fixed)
        self._begin()

    def _check(self) -> None:
        for name in dict.fromkeys(self.scenario.seats.values()):
            settings = self.scenario.policies[name]
            if isinstance(settings, LeagueSettings | HumanSettings):
                raise ScenarioError(
                    f"policies.{name}: a {settings.kind} cannot sit in PSRO, whose populations are its leagues; seat a "
                    "policy that learns, or a fixed one (scripted, api, mixture)"
                )

    def _begin(self) -> None:
        """Make every population's first member, unless it is there."""
        from marl.learning.trained import export_untrained

        if all(self._folder(name, 0).is_dir() for name in self._settings):
            return
        part = self._run.path / f".untrained.{os.getpid()}.tmp"
        export_untrained(self.scenario, part)
        for name in self._settings:
            self._adopt(part / name, self._folder(name, 0))
        shutil.rmtree(part)

    def _folder(self, population: str, number: int) -> Path:
        return self._run.path / POPULATION / population / f"{number:03d}"

    def _adopt(self, source: Path, target: Path) -> None:
        """Copy `source` to `target`, which is then whole or not there."""
        part = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        for left in target.parent.glob(".*.tmp"):
            shutil.rmtree(left)
        shutil.copytree(source, part)
        if not target.exists():
            part.rename(target)

    def members(self, population: str) -> int:
        """How many members the population has."""
        return sum(1 for _ in (self._run.path / POPULATION / population).glob("[0-9]*"))

    def respond(self, population: str, meta: MetaStrategy) -> None:
        """Train a new member; a training that was interrupted goes on."""
        number = self.members(population)
        out = self._run.path / RESPONSES / f"{number:03d}" / population
        scenario = self.response_scenario(population, number, meta)
        begun = (out / "run.json").is_file()
        if begun:  # the folders that it names may have moved with the run
            name = next(name for name in SETTINGS if (out / name).is_file())
            write_atomically(out / name, dump_scenario(scenario))
        else:
            shutil.rmtree(out, ignore_errors=True)
        note = f"best response {number} of {population}"

        def tell(step: str, row: Mapping[str, Any]) -> None:
            at = f"{note}, iteration {row['iteration']} of {scenario.training.iterations}"
            self._on_progress("psro", {"done": number - 1, "total": self.scenario.psro.iterations, "note": at})

        done = experiment.train(scenario, out, resume=begun, on_progress=tell)
        self._adopt(done.path / "policies" / population, self._folder(population, number))

    def response_scenario(self, population: str, number: int, meta: MetaStrategy) -> AnyScenario:
        """The training of member `number`: the learner on a seat of its population, mixtures on the other seats.

        Of a population with several seats, one task a seat.
        """
        seats = [agent for agent, name in self.populations.items() if name == population]
        tasks = [self._task(population, agent, number, meta) for agent in seats]
        if len(tasks) == 1:
            return validate_scenario(tasks[0])
        return resolved(
            {
                "name": f"{self.scenario.name}_{number:03d}",
                "title": f"{self.scenario.title}: {population} on each of its seats",
                "seed": tasks[0]["seed"],
                "tasks": {
                    agent: {"scenario": task, "seats": task["seats"]} for agent, task in zip(seats, tasks, strict=True)
                },
                "policies": {
                    name: task["policies"][name] for task in tasks for name in dict.fromkeys(task["seats"].values())
                },
                "training": tasks[0]["training"],
            }
        )

    def _task(self, population: str, agent: str, number: int, meta: MetaStrategy) -> dict[str, Any]:
        data = self.scenario.model_dump(mode="json", exclude={"psro"})
        agents = list(self.populations)
        others = meta.others(agents.index(agent))
        played = np.argwhere(others > 0)
        weights = others[tuple(played.T)]
        rest = [other for other in agents if other != agent]
        for place, other in enumerate(rest):
            name = self.populations[other]
            mixture = {
                "kind": "mixture",
                "policy": data["policies"][name],
                "folders": [str(self._folder(name, int(k)).resolve()) for k in played[:, place]],
                "probabilities": (weights / weights.sum()).tolist(),
                "together": f"others of {agent}",
                "of": name,
                "values": self.scenario.training.value_based,
            }
            seat = f"{other} beside {agent}"
            data["policies"][seat], data["seats"][other] = mixture, seat
        for name in set(self._settings) - {population}:
            del data["policies"][name]
        data["seed"] = seed_of(self.scenario.seed, "best response", number, population)
        data["evaluation"]["exact"] = None  # it measures distributions, which a mixture does not tell
        data["training"]["silent_twin"] = False
        return data

    def member(self, agent: str, number: int) -> Policy:
        """Member `number` of the agent's population."""
        from marl.policies.bases import Bases
        from marl.policies.build import frozen_policy, model_seed

        name = self.populations[agent]
        if (name, number) not in self._built:
            settings: LanguageModelSettings | NetworkSettings = self._settings[name]
            bases = Bases([*self._fixed.values(), *self._built.values()])
            self._built[name, number] = frozen_policy(
                name,
                settings,
                self.scenario,
                self._folder(name, number),
                model_seed(self.scenario.seed, name),
                bases,
                values=self.scenario.training.value_based,
            )
        return self._built[name, number]

    def play(self, profile: Profile, episodes: Sequence[int]) -> tuple[dict[int, list[float]], dict[int, str]]:
        """Play a profile of member numbers on the same seeds as any other."""
        from marl.rollout import play as rollout

        seating = {agent: self.member(agent, k) for agent, k in zip(self.populations, profile, strict=True)}
        seed = seed_of(self.scenario.seed, "psro")

        def play(sitting: Mapping[str, Policy], indices: Sequence[int]) -> list[Any]:
            return rollout(self.scenario, {**self._fixed, **sitting}, indices, seed=seed, tables=self._tables)

        return play_profile(play, seating, episodes)

    def exact(self, meta: MetaStrategy) -> dict[str, float]:
        """What `evaluation.exact` measures, with every agent drawing its member by its own marginal.

        A plan is each agent's own part, so that a mixture's plan is the mean of its members' plans.
        """
        from marl.learning.exact import ExactMeasure

        if self.scenario.evaluation.exact is None:
            return {}
        measure = ExactMeasure(self.scenario)
        agents = list(self.populations)

        def plan(agent: str, number: int) -> np.ndarray:
            if (agent, number) not in self._plans:
                sitting = {other: self.member(other, number if other == agent else 0) for other in agents}
                self._plans[agent, number] = measure.plan({**self._fixed, **sitting})
            return self._plans[agent, number]

        total = (1 - len(agents)) * plan(agents[0], 0)
        for player, agent in enumerate(agents):
            for number, share in enumerate(meta.marginal(player)):
                total = total + share * plan(agent, number) if share > 0 else total
        return {f"exact/{name}": value for name, value in measure.game.measures(total).items()}


def psro(
    scenario: Scenario,
    out: str | Path,
    *,
    resume: bool = False,
    on_progress: experiment.Progress = lambda step, row: None,
    command: str = "",
) -> RunDirectory:
    """Grow the populations of `scenario` into the run directory `out` and write RUN/psro.json, what came of it.

    With `resume`, go on with the one in `out`; the scenario is then read from there. `on_progress` gets ("psro", row).
    """
    experiment.check_trainable(scenario)
    run = RunDirectory(out) if resume else RunDirectory.create(out, scenario, command)
    scenario = run.scenario()
    run.update_run(status="growing populations")
    try:
        oracle = TrainedOracle(scenario, run, on_progress=on_progress)
        record = Record(run.path, list(oracle.populations))
        rows = grow(
            oracle,
            record,
            scenario.psro,
            confidence=scenario.evaluation.confidence,
            seed=scenario.seed,
            on_progress=lambda row: on_progress("psro", row),
        )
    except KeyboardInterrupt:
        run.update_run(status="interrupted")
        raise
    run.write_json("psro.json", described(rows, record, oracle.populations, scenario))
    run.update_run(status="grown", ended=rows[-1]["reason"])
    return run
