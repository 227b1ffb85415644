"""From a scenario and a run directory to trained policies: iterate, evaluate, checkpoint, resume, stop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError

from marl.channel import messages_by_sender
from marl.errors import LearningError
from marl.learning.algorithm import MultiAgentAlgorithm
from marl.learning.checkpoint import Best, checkpoints, mark_best, newest_checkpoint, save_checkpoint
from marl.learning.config import MultiAgentConfig
from marl.learning.curves import Curves
from marl.learning.exact import ExactMeasure
from marl.learning.interrupt import DeferredInterrupt
from marl.learning.loggers import open_loggers
from marl.learning.metrics import over_tasks, played, success_metrics
from marl.learning.seating import learning_policies
from marl.learning.stopping import RETURN, StopRules
from marl.learning.task import Task
from marl.learning.trained import export_league, live_policies
from marl.multi_task import AnyScenario
from marl.policies import Policy
from marl.seeding import seed_of
from marl.settings import Scenario
from marl.store import RunDirectory, writing
from marl.types import Episode

logger = logging.getLogger(__name__)
Row = dict[str, Any]


class Trainer:
    """Trains the learning policies of `scenario` and keeps RUN/metrics.jsonl, RUN/tensorboard and RUN/checkpoints.

    With `resume` it goes on from the newest whole checkpoint, dropping the metrics rows after it, so that the curve
    has no gap and no repeat; without any checkpoint it starts at the beginning. Close it when done.
    """

    def __init__(self, scenario: AnyScenario, run_directory: str | Path, *, resume: bool = False) -> None:
        torch.set_num_threads(1)
        self.scenario = scenario
        self.store = RunDirectory(run_directory)
        self.algorithm = MultiAgentAlgorithm(MultiAgentConfig.for_scenario(scenario))
        self._elapsed = 0.0
        self._saved: tuple[int, Path] | None = None
        self._rules = StopRules(scenario.training.stop)
        single = scenario if isinstance(scenario, Scenario) and scenario.evaluation.exact is not None else None
        self._exact = None if single is None else ExactMeasure(single)
        state = newest_checkpoint(self._folder) if resume else None
        if state is not None:
            self._restore(state)
        if resume:
            self.store.truncate_metrics(self.iteration)
        rows = self.store.metrics()
        for row in rows:
            self._rules.read(row)
        self._begun = bool(rows) or self.iteration > 0
        self._best = self._best_of(rows)
        self._curves = Curves(self.store.path / "tensorboard", self.iteration)
        self._loggers = open_loggers(scenario, self.store.path)

    def _best_of(self, rows: list[Row]) -> Best | None:
        """The first of the best among the evaluations that still have a checkpoint, marked so for who reads the run."""
        kept = {path.name for path in checkpoints(self._folder)}
        found = [Best(row["iteration"], row[RETURN]) for row in rows if RETURN in row]
        best = max((one for one in found if one.folder in kept), key=lambda one: one.value, default=None)
        if best is not None:
            mark_best(self._folder, best)
        return best

    @property
    def iteration(self) -> int:
        """Finished iterations."""
        return self.algorithm.rounds

    @property
    def reason(self) -> str | None:
        """Why training is over, by `training.stop` or `training.iterations`; None while it goes on."""
        iterations = self.scenario.training.iterations
        done = f"iterations: all {iterations} are done" if self.iteration >= iterations else None
        return self._rules.reason or done

    @property
    def _folder(self) -> Path:
        return self.store.path / "checkpoints"

    def run(
        self,
        *,
        on_iteration: Callable[[Row], None] = lambda row: None,
        should_stop: Callable[[Row], bool] = lambda row: False,
    ) -> dict[str, Any]:
        """Evaluate, then iterate until the scenario says stop, or `should_stop(row)`; the last row and its `reason`.

        Each row goes to metrics.jsonl, to TensorBoard and to `on_iteration`; the first is that of iteration 0, before
        any training. On Ctrl-C the iteration is finished and saved as a checkpoint, and KeyboardInterrupt goes on.
        """
        row: Row = {"iteration": self.iteration}
        stopped = False
        with DeferredInterrupt() as interrupt:
            while self.reason is None and not stopped:
                row = self.step()
                try:
                    on_iteration(row)
                    stopped = should_stop(row)
                except KeyboardInterrupt:
                    self.save()
                    raise
                if interrupt.pending:
                    self.save()
                    raise KeyboardInterrupt
        self.save()
        return {**row, "reason": self.reason or "stopped: the caller asked for it"}

    def step(self) -> Row:
        """The next row: the evaluation before training, or one iteration, with a checkpoint where one is due."""
        row = self.iterate() if self._begun else self.begin()
        if self.iteration and self.iteration % self.scenario.training.checkpoint_every == 0:
            self.save()
        return row

    def begin(self) -> Row:
        """Evaluate the policies as they are before training: the row of iteration 0."""
        start = time.perf_counter()
        counters = {"iteration": 0, "env_steps": 0, "turns": 0, "tokens": 0}
        return self._record(counters | self.evaluate(), start)

    def iterate(self) -> Row:
        """One iteration: sample, learn, evaluate when it is due, record."""
        training = self.scenario.training
        start = time.perf_counter()
        self.algorithm.train()
        row: Row = dict(self.algorithm.row)
        if self._exact is not None:
            self._exact.take_in(self.policies(), self.iteration)
        if self.iteration % training.evaluate_every == 0 or self.iteration == training.iterations:
            row |= self.evaluate()
        return self._record(row, start)

    def _record(self, row: Row, start: float) -> Row:
        """Add the time and, where training ends with this row, the reason; write it, and keep the best checkpoint."""
        self._begun = True
        self._elapsed += time.perf_counter() - start
        row["time_s"] = self._elapsed
        self._rules.read(row)
        if self.reason is not None:
            row["reason"] = self.reason
        self.store.append_metrics(row)
        for sink in (self._curves, *self._loggers):
            sink.write(row)
        if RETURN in row and (self._best is None or row[RETURN] > self._best.value):
            self.save()
            self._best = Best(self.iteration, row[RETURN])
            mark_best(self._folder, self._best)
        return row

    def evaluate(self) -> Row:
        """Mean payoff per agent with messages as sent, and with messages drawn from those that were sent there.

        Of several tasks evaluation/TASK/... each, and under the plain names the mean over tasks.
        """
        start = time.perf_counter()
        rows = {name: self._evaluate(game) for name, game in self.algorithm.config.games().items()}
        row: Row = dict(next(iter(rows.values())) if len(rows) == 1 else over_tasks(rows))
        if self._exact is not None:
            row |= self._exact.row(self.policies())
        return row | {"time/evaluate": time.perf_counter() - start}

    def _evaluate(self, game: Scenario) -> dict[str, float]:
        indices = tuple(range(self.scenario.training.evaluation_episodes))
        seed = seed_of(self.scenario.seed, "periodic evaluation")
        every = self.algorithm.play(Task(indices, seed, game=game.name, evaluated=True))
        normal = played(every, "evaluation")
        row = {RETURN: _mean_return(normal), **success_metrics(normal, "evaluation")}
        row["evaluation/episodes_failed"] = len(every) - len(normal)
        pool = messages_by_sender(normal)
        if pool and game.channel.intervention == "none":
            scrambled = self.algorithm.play(Task(indices, seed, "scrambled", pool, game=game.name, evaluated=True))
            row["evaluation/scrambled"] = _mean_return(played(scrambled, "evaluation"))
        return row

    def policies(self) -> dict[str, Policy]:
        """Live policies by name; they share the weights that are trained."""
        return live_policies(self.algorithm.config, self.algorithm.actors(), self.algorithm.leagues)

    def parameters(self) -> dict[str, int]:
        """How many parameters of each actor are trained, by policy name: the network's, or the adapter's."""
        return {name: sum(p.numel() for p in actor.parameters()) for name, actor in self.algorithm.actors().items()}

    def export(self, folder: str | Path) -> list[Path]:
        """Save each learning policy as a folder `folder`/<name>: a network, or an adapter. The critic is in none.

        A league's members are written as folders of `folder`/<its name>. Raises StoreError where that cannot be done.
        """
        policies, leagues = self.policies(), self.algorithm.leagues
        paths = [Path(folder) / name for name in learning_policies(self.scenario)]
        with writing(Path(folder), SafetensorError):
            for path in paths:
                exporting: Any = policies[path.name]
                exporting.export(path)
            for name, league in leagues.items():
                league_policy: Any = policies[name]
                export_league(league_policy, league, Path(folder) / name)
        return paths

    def save(self) -> Path:
        """Write a checkpoint of everything that the next iteration depends on, unless this iteration has one."""
        algorithm = self.algorithm
        if self._saved is not None and self._saved[0] == algorithm.rounds:
            return self._saved[1]
        state = {
            "iteration": algorithm.rounds,
            "env_steps": algorithm.env_steps,
            "turns": algorithm.turns,
            "tokens": algorithm.tokens,
            "time_s": self._elapsed,
            "learner": algorithm.learners.get_state(),
            "leagues": {name: league.get_state() for name, league in algorithm.leagues.items()},
            "exact": None if self._exact is None else self._exact.get_state(),
            # Row order, episodes and schedules are addressed by (seed, iteration); only this stream has a state.
            "torch": torch.get_rng_state(),
        }
        self._saved = (
            algorithm.rounds,
            save_checkpoint(self._folder, algorithm.rounds, state, kept=self.scenario.training.checkpoints_kept),
        )
        return self._saved[1]

    def _restore(self, state: dict[str, Any]) -> None:
        algorithm = self.algorithm
        try:
            algorithm.learners.set_state(state["learner"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise LearningError(
                f"the checkpoint in {self._folder} does not fit the scenario's modules ({error}); "
                "resume with the scenario that it was made with"
            ) from error
        algorithm.rounds = state["iteration"]
        algorithm.env_steps, algorithm.turns, algorithm.tokens = state["env_steps"], state["turns"], state["tokens"]
        for name, league in algorithm.leagues.items():
            league.set_state(state["leagues"][name])
        if self._exact is not None and state.get("exact"):
            self._exact.set_state(state["exact"])
        self._elapsed = state["time_s"]
        torch.set_rng_state(state["torch"])

    def close(self) -> None:
        """Stop env runners and close files."""
        self.algorithm.stop()
        for sink in (self._curves, *self._loggers):
            sink.close()

    def __enter__(self) -> Trainer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _mean_return(episodes: list[Episode]) -> float:
    return float(np.mean([episode.mean_return for episode in episodes]))
