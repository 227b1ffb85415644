"""How the policies of a run moved over its checkpoints: what they do, what they earn, and whether they settled."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from marl import experiment
from marl.errors import LearningError
from marl.evaluation.tournament import Profile, play_profile
from marl.games import EmpiricalGame
from marl.games.convergence import LEAST, convergence, distances
from marl.rollout import Tables, play
from marl.scenario import evaluated
from marl.seeding import seed_of, stream
from marl.settings import Scenario
from marl.store import RunDirectory
from marl.types import Decision, View

if TYPE_CHECKING:
    from marl.policies import Policy

MOST = 12
"""Checkpoints that are compared; of more, so many with like distances."""

EXACT = "exact/nash_conv"


class Listening:
    """Decides as `policy` does, and notes the views among whose options it chose."""

    def __init__(self, policy: Policy, heard: list[View]) -> None:
        self.name, self.trainable = policy.name, policy.trainable
        self._policy, self._heard = policy, heard

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """The policy's own decisions."""
        self._heard += [view for view in views if view.options]
        return self._policy.decide(views)


def over_checkpoints(
    out: str | Path, *, tolerance: float = 0.05, on_progress: experiment.Progress = lambda step, row: None
) -> dict[str, Any]:
    """Compare the checkpoints that the run `out` kept, and the policies before training; writes convergence.json.

    All checkpoints choose in the same situations: those of `analysis.episodes` episodes that each of them played. Then
    each plays in a world of each other one, on the same seeds: every learning seat alone plays the one, all others the
    other. `on_progress` gets ("analyze", {"done", "total"}). Raises LearningError for fewer than three checkpoints, and
    for policies that tell no distributions.
    """
    run = RunDirectory(out)
    scenario = run.scenario()
    snapshots = kept_policies(run)
    learning = [agent for agent, name in scenario.seats.items() if snapshots[0][1][name].trainable]
    iterations, policies = [iteration for iteration, _ in snapshots], [own for _, own in snapshots]
    profiles = star(len(snapshots), len(learning))
    tables, game = Tables(evaluated(scenario)), evaluated(scenario)
    seed, episodes = seed_of(scenario.seed, "checkpoints"), range(scenario.analysis.episodes)
    heard = [view for own in policies for view in situations(game, own, episodes, seed, tables)]
    asked = [view for view in heard if view.agent in learning]
    play_of = [choices(scenario, own, asked) for own in policies]
    samples: dict[Profile, dict[int, list[float]]] = {}
    for done, profile in enumerate(profiles, start=1):
        seating = {agent: policies[k][scenario.seats[agent]] for agent, k in zip(learning, profile, strict=True)}

        def sitting(
            seats: Mapping[str, Policy], indices: Sequence[int], fixed: Mapping[str, Policy] = policies[profile[0]]
        ) -> list[Any]:
            return play(game, {**fixed, **seats}, indices, seed=seed, tables=tables)

        payoffs, failed = play_profile(sitting, seating, episodes)
        samples[profile] = {number: own for number, own in payoffs.items() if number not in failed}
        on_progress("analyze", {"done": done, "total": len(profiles)})
    names = [f"iteration {iteration}" for iteration in iterations]
    empirical = EmpiricalGame.from_episodes(dict.fromkeys(learning, names), samples)
    confidence = scenario.evaluation.confidence
    groups = [view.episode or 0 for view in asked]
    found = convergence(
        iterations,
        distances(play_of, groups, confidence=confidence, rng=stream(scenario.seed, "bootstrap", "distances")),
        empirical,
        nash_conv=[(row["iteration"], row[EXACT]) for row in run.metrics() if EXACT in row],
        tolerance=tolerance,
        confidence=confidence,
        rng=stream(scenario.seed, "bootstrap", "checkpoints"),
    )
    run.write_json("convergence.json", found)
    return found


def kept_policies(run: RunDirectory) -> list[tuple[int, dict[str, Policy]]]:
    """(iteration, every seated policy by name) of the untrained policies and of the run's checkpoints, oldest first.

    Of more than MOST, so many at like distances. Raises LearningError where there are fewer than three in all.
    """
    from marl.learning.checkpoint import checkpoints, load_checkpoint
    from marl.learning.trained import checkpoint_policies

    folders = [path for path in checkpoints(run.path / "checkpoints") if path.name != "iteration_000000"]
    if len(folders) + 1 < LEAST:
        raise LearningError(
            f"{str(run.path)!r} kept {len(folders)} checkpoints beside the untrained policies, and {LEAST - 1} are "
            "needed; train with more: training.checkpoint_every and training.checkpoints_kept say which are kept"
        )
    places = np.unique(np.linspace(0, len(folders) - 1, min(MOST - 1, len(folders))).round().astype(int))
    found = [(0, experiment.untrained_policies(run.scenario()))]
    for folder in (folders[place] for place in places):
        state = load_checkpoint(folder)
        found.append((int(state["iteration"]), checkpoint_policies(run, state)))
    return found


def star(checkpoints: int, seats: int) -> list[Profile]:
    """The profiles in which all seats play one checkpoint, or all but one of them do."""
    found: set[Profile] = set()
    for world, other, seat in itertools.product(range(checkpoints), range(checkpoints), range(seats)):
        found.add(tuple(other if own == seat else world for own in range(seats)))
    return sorted(found)


def situations(
    scenario: Scenario, policies: Mapping[str, Policy], episodes: Sequence[int], seed: int, tables: Tables
) -> list[View]:
    """The views with options in `episodes` that these policies play with each other."""
    heard: list[View] = []
    play(scenario, {name: Listening(own, heard) for name, own in policies.items()}, episodes, seed=seed, tables=tables)
    return heard


def choices(scenario: Scenario, policies: Mapping[str, Policy], views: Sequence[View]) -> list[np.ndarray]:
    """Each view's distribution over its options, by the policy on its seat."""
    from marl.learning.exact import Distributes

    found: dict[int, np.ndarray] = {}
    for name in dict.fromkeys(scenario.seats[view.agent] for view in views):
        policy = policies[name]
        if not isinstance(policy, Distributes):
            raise LearningError(
                f"policy {name!r}, a {type(policy).__name__}, tells no distribution over its options, so that nothing "
                "says how far it moved; seat a language model or a network without memory"
            )
        mine = [place for place, view in enumerate(views) if scenario.seats[view.agent] == name]
        alone = [replace(views[place], episode=None) for place in mine]  # nobody's next turn
        found.update(zip(mine, policy.distributions(alone), strict=True))
    return [found[place] for place in range(len(views))]
