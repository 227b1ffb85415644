"""The Algorithm: sample a fixed set of numbered episodes, then one Learner update."""

from __future__ import annotations

import logging
import tempfile
import time
from dataclasses import dataclass
from typing import Any

import ray
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.env.env_runner_group import EnvRunnerGroup
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch

from marl.learning.actor import ActorModule
from marl.learning.array_batch import array_columns
from marl.learning.array_sampling import ArraySampler, metrics, plays_as_arrays, turns
from marl.learning.cluster import ensure_ray
from marl.learning.config import MultiAgentConfig
from marl.learning.dispatch import play_on
from marl.learning.features import Columns
from marl.learning.league import leagues_of, stored
from marl.learning.learners import Learners
from marl.learning.metrics import task_metrics, throughput, token_count, turn_count
from marl.learning.multi_agent_learner import ITERATION, MultiAgentLearner
from marl.learning.presets import preset
from marl.learning.runner import EpisodeRunner
from marl.learning.seating import learning_policies, seat, seated_meters
from marl.learning.task import Task
from marl.models.api_meter import Meter
from marl.seeding import seed_of
from marl.settings import Scenario
from marl.types import Episode

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sample:
    """What one iteration learns from: columns by module id, metrics of the play, and how much it was."""

    columns: dict[str, Columns]
    metrics: dict[str, float]
    env_steps: int
    turns: int
    tokens: int = 0


class MultiAgentAlgorithm(Algorithm):
    """Multi-agent learning over turns, by policy gradients or by Q values, for language models and small networks.

    Everything runs in this process unless there are env runners or learners.

    `rounds` counts finished iterations, `env_steps`, `turns` and `tokens` what was sampled in all of them.
    """

    config: MultiAgentConfig

    @classmethod
    def get_default_config(cls) -> MultiAgentConfig:
        """An empty MultiAgentConfig; `MultiAgentConfig.for_scenario` makes a complete one."""
        return MultiAgentConfig(algo_class=cls)

    def setup(self, config: MultiAgentConfig) -> None:
        """Build the Learner, then the env runners: actors on Ray, or one here that shares the Learner's weights."""
        if config.num_env_runners or config.num_learners:
            ensure_ray(config.num_env_runners + config.num_learners)
        super().setup(config)
        self.learners = Learners(self.learner_group, config)
        self.rounds, self.env_steps, self.turns, self.tokens = 0, 0, 0, 0
        self.row: dict[str, float] = {}
        self.leagues = leagues_of(config.scenario)
        self._references: dict[str, dict[int, Any]] = {name: {} for name in self.leagues}
        self._let_join()
        self._lost: list[int] = []
        self._here: EpisodeRunner | None = None
        if config.num_env_runners:
            self.env_runner_group = EnvRunnerGroup(config=config, local_env_runner=False)
            self._meters = seated_meters(config.scenario)
        else:
            self._here = EpisodeRunner(config=config, worker_index=0)
            self._here.adopt(self.actors())
        self._arrays: ArraySampler | None = None
        if isinstance(config.scenario, Scenario) and plays_as_arrays(config.scenario):
            networks = seat(config.scenario, {name: actor.policy for name, actor in self.actors().items()})
            self._arrays = ArraySampler(config.scenario, config.layout, networks)

    def _setup_logdir(self) -> None:
        """Leave no empty folder in ~/ray_results: outside of Tune, the trainer's run directory holds everything."""
        if self._storage:
            super()._setup_logdir()
        else:
            self._logdir = tempfile.gettempdir()

    @property
    def learner(self) -> MultiAgentLearner:
        """The Learner in this process, where training.learners is 0."""
        return self.learner_group._learner

    def actors(self) -> dict[str, ActorModule]:
        """The actor modules that play here, by policy name: see `Learners`."""
        return self.learners.actors

    def play(self, task: Task) -> list[Episode]:
        """Play with the weights as they are now."""
        lineups = {name: league.lineup() for name, league in self.leagues.items()}
        if self._here is None:
            lineups = {name: stored(lineup, self._references[name]) for name, lineup in lineups.items()}
            asked = {"weights": self._weights(), "lineups": lineups}
            return play_on(self.env_runner_group, task, self.meters, on_lost=self._lost.append, **asked)
        return self._here.sample(task=task, lineups=lineups).episodes()

    def _let_join(self) -> None:
        """Give the leagues the weights as they are now, where a checkpoint is due to join."""
        actors = self.actors()
        for league in self.leagues.values():
            league.advance(self.rounds, actors[league.settings.of])

    @property
    def meters(self) -> dict[str, Meter]:
        """What the seated API policies have counted in all runners, by policy name."""
        return self._meters if self._here is None else self._here.meters

    def _weights(self) -> tuple[int, Any]:
        """The weights in Ray's object store, put there once a version."""
        version = self.learners.version
        if getattr(self, "_stored", (None, None))[0] != version:
            self._stored = (version, ray.put(self.learners.weights()))
        return self._stored

    def training_step(self) -> None:
        """One iteration; the results are in `row` and in RLlib's metrics."""
        start = time.perf_counter()
        sample = self._sampled_arrays() if self._arrays is not None else self._sampled_episodes()
        sampled = time.perf_counter()
        parts = {name: SampleBatch(own) for name, own in sample.columns.items()}
        batch = MultiAgentBatch(parts, env_steps=max(sample.env_steps, 1))
        results = self.learners.update(batch, {ITERATION: self.rounds})
        self.metrics.aggregate(results, key="learners")
        learned = time.perf_counter()
        self.rounds += 1
        self._let_join()
        self.env_steps += sample.env_steps
        self.turns += sample.turns
        self.tokens += sample.tokens
        self.row = {
            "iteration": self.rounds,
            "env_steps": self.env_steps,
            "turns": self.turns,
            "tokens": self.tokens,
            **sample.metrics,
            **throughput(sample.turns, sample.tokens, learned - start),
            "charts/learning_rate": self.learners.learning_rate(),
            "charts/env_runners_lost": len(self._lost),
            **self.learners.report(),
            **{name: value for league in self.leagues.values() for name, value in league.report().items()},
            "time/sample": sampled - start,
            "time/learn": learned - sampled,
        }
        for name, value in self.row.items():
            self.metrics.log_value(name, value, window=1)

    def _sampled_episodes(self) -> Sample:
        training = self.config.scenario.training
        copies = training.group if preset(training.algorithm).grouped else 1
        seed = seed_of(self.config.scenario.seed, "training")
        played = {}
        for name, game in self.config.games().items():
            first = self.rounds * game.training.episodes
            indices = tuple(range(first, first + game.training.episodes))
            played[name] = self.play(Task(indices, seed, copies=copies, explore=True, game=name))
        episodes = [episode for own in played.values() for episode in own]
        self._warn_of_failures(episodes)
        for league in self.leagues.values():
            league.book(episodes)
        columns = self.learners.columns(episodes)
        steps = sum(episode.length for episode in episodes)
        return Sample(columns, task_metrics(played), steps, turn_count(episodes), token_count(episodes))

    def _sampled_arrays(self) -> Sample:
        assert self._arrays is not None
        play, scenario = self._arrays.play(self.rounds), self.config.game(None)
        columns = array_columns(play, scenario, learning_policies(scenario), self.config.layout)
        return Sample(columns, metrics(play), int(play.lengths.sum()), sum(turns(play)))

    def _warn_of_failures(self, episodes: list[Episode]) -> None:
        failed = [episode for episode in episodes if episode.outcome == "failed"]
        if failed:
            logger.warning(
                "iteration %d: %d of %d episodes failed and are not learned from; the first, episode %d: %s",
                self.rounds + 1,
                len(failed),
                len(episodes),
                failed[0].index,
                failed[0].error,
            )
