"""From a scenario and a run directory to trained policies: iterate, evaluate, checkpoint, resume, stop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from ray.rllib.core import COMPONENT_METRICS_LOGGER

from marl.channel import messages_by_sender
from marl.errors import LearningError
from marl.learning.algorithm import MultiAgentPPO
from marl.learning.checkpoint import newest_checkpoint, save_checkpoint
from marl.learning.config import PPOConfig
from marl.learning.curves import Curves
from marl.learning.interrupt import DeferredInterrupt
from marl.learning.seating import learning_policies, seat
from marl.learning.task import Task
from marl.policies import Policy
from marl.seeding import seed_of
from marl.settings import Scenario
from marl.store import RunDirectory
from marl.types import Episode

logger = logging.getLogger(__name__)
Row = dict[str, Any]


class Trainer:
    """Trains the learning policies of `scenario` and keeps RUN/metrics.jsonl, RUN/tensorboard and RUN/checkpoints.

    With `resume` it goes on from the newest whole checkpoint, dropping the metrics rows after it, so that the curve
    has no gap and no repeat; without any checkpoint it starts at the beginning. Close it when done.
    """

    def __init__(self, scenario: Scenario, run_directory: str | Path, *, resume: bool = False) -> None:
        torch.set_num_threads(1)
        self.scenario = scenario
        self.store = RunDirectory(run_directory)
        self.algorithm = MultiAgentPPO(PPOConfig.for_scenario(scenario))
        self._elapsed = 0.0
        self._saved: tuple[int, Path] | None = None
        state = newest_checkpoint(self._folder) if resume else None
        if state is not None:
            self._restore(state)
        if resume:
            self.store.truncate_metrics(self.iteration)
        self._curves = Curves(self.store.path / "tensorboard", self.iteration)

    @property
    def iteration(self) -> int:
        """Finished iterations."""
        return self.algorithm.rounds

    @property
    def _folder(self) -> Path:
        return self.store.path / "checkpoints"

    def run(
        self,
        *,
        on_iteration: Callable[[Row], None] = lambda row: None,
        should_stop: Callable[[Row], bool] = lambda row: False,
    ) -> dict[str, Any]:
        """Iterate to `training.iterations`, or until `should_stop(row)`; returns the last row and why it ended.

        Each row goes to metrics.jsonl, to TensorBoard and to `on_iteration`. On Ctrl-C the iteration is finished and
        saved as a checkpoint, and KeyboardInterrupt goes on.
        """
        training = self.scenario.training
        row: Row = {"iteration": self.iteration}
        stopped = False
        with DeferredInterrupt() as interrupt:
            while self.iteration < training.iterations and not stopped:
                row = self.iterate()
                if self.iteration % training.checkpoint_every == 0:
                    self.save()
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
        return {"reason": "stopped" if stopped else "finished", **row}

    def iterate(self) -> Row:
        """One iteration: sample, learn, evaluate when it is due, record."""
        start = time.perf_counter()
        self.algorithm.train()
        row: Row = dict(self.algorithm.row)
        if (
            self.iteration % self.scenario.training.evaluate_every == 0
            or self.iteration == self.scenario.training.iterations
        ):
            row |= self.evaluate()
        self._elapsed += time.perf_counter() - start
        row["time_s"] = self._elapsed
        self.store.append_metrics(row)
        self._curves.write(row)
        return row

    def evaluate(self) -> Row:
        """Mean payoff per agent with messages as sent, and with messages drawn from those that were sent there."""
        indices = tuple(range(self.scenario.training.evaluation_episodes))
        seed = seed_of(self.scenario.seed, "periodic evaluation")
        normal = self.algorithm.play(Task(indices, seed))
        row = {"evaluation/normal": _mean_return(normal)}
        pool = messages_by_sender(normal)
        if pool and self.scenario.channel.intervention == "none":
            scrambled = self.algorithm.play(Task(indices, seed, "scrambled", pool))
            row["evaluation/scrambled"] = _mean_return(scrambled)
        return row

    def policies(self) -> dict[str, Policy]:
        """Live policies by name; they share the weights that are trained."""
        return seat(self.scenario, {name: actor.policy for name, actor in self.algorithm.actors().items()})

    def parameters(self) -> dict[str, int]:
        """How many parameters of each actor are trained, by policy name: the network's, or the adapter's."""
        return {name: sum(p.numel() for p in actor.parameters()) for name, actor in self.algorithm.actors().items()}

    def export(self, folder: str | Path) -> list[Path]:
        """Save each learning policy as a folder `folder`/<name>: a network, or an adapter. The critic is in none."""
        actors = self.algorithm.actors()
        paths = [Path(folder) / name for name in learning_policies(self.scenario)]
        for path in paths:
            actors[path.name].policy.export(path)
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
            "time_s": self._elapsed,
            "learner": algorithm.learner.get_state(not_components=COMPONENT_METRICS_LOGGER),
            # Row order, episodes and schedules are addressed by (seed, iteration); only this stream has a state.
            "torch": torch.get_rng_state(),
            "scaler": algorithm.learner.scaler.state_dict(),
        }
        self._saved = algorithm.rounds, save_checkpoint(self._folder, algorithm.rounds, state)
        return self._saved[1]

    def _restore(self, state: dict[str, Any]) -> None:
        algorithm = self.algorithm
        try:
            algorithm.learner.set_state(state["learner"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise LearningError(
                f"the checkpoint in {self._folder} does not fit the scenario's modules ({error}); "
                "resume with the scenario that it was made with"
            ) from error
        algorithm.rounds, algorithm.env_steps, algorithm.turns = state["iteration"], state["env_steps"], state["turns"]
        self._elapsed = state["time_s"]
        torch.set_rng_state(state["torch"])
        if state.get("scaler"):
            algorithm.learner.scaler.load_state_dict(state["scaler"])

    def close(self) -> None:
        """Stop env runners and close files."""
        self._curves.close()
        self.algorithm.stop()

    def __enter__(self) -> Trainer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _mean_return(episodes: list[Episode]) -> float:
    """Mean payoff per agent of the episodes that did not fail. Raises LearningError when all failed."""
    played = [episode.mean_return for episode in episodes if episode.outcome != "failed"]
    if not played:
        raise LearningError(f"all {len(episodes)} evaluation episodes failed; the first: {episodes[0].error}")
    return sum(played) / len(played)
