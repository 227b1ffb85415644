"""Policies out of training: the live ones, those of a checkpoint, and the folders that a run leaves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray.rllib.core import COMPONENT_RL_MODULE

from marl.errors import LearningError
from marl.learning.actor import ActorModule
from marl.learning.checkpoint import best_checkpoint
from marl.learning.config import MultiAgentConfig
from marl.learning.league import Bench, League, leagues_of
from marl.learning.seating import seat
from marl.policies import Policy
from marl.policies.build import LEAGUE
from marl.policies.league import LeaguePolicy
from marl.settings import Scenario
from marl.store import RunDirectory, write_atomically


def live_policies(
    config: MultiAgentConfig, actors: Mapping[str, ActorModule], leagues: Mapping[str, League]
) -> dict[str, Policy]:
    """Every seated policy by name; the learning ones share their weights with `actors`."""
    policies = seat(config.scenario, {name: actor.policy for name, actor in actors.items()})
    Bench(config, policies).seat({name: league.lineup() for name, league in leagues.items()})
    return policies


def best_policies(run: RunDirectory) -> dict[str, Policy]:
    """`checkpoint_policies` of the best checkpoint. Raises LearningError where none is marked so."""
    return checkpoint_policies(run, best_checkpoint(run.path / "checkpoints"))


def checkpoint_policies(run: RunDirectory, state: Mapping[str, Any]) -> dict[str, Policy]:
    """Every seated policy of the run with the weights of a checkpoint's `state`, without a learner or a critic.

    Raises LearningError where it is of other modules.
    """
    config = MultiAgentConfig.for_scenario(run.scenario())
    actors = dict(config.get_multi_rl_module_spec(inference_only=True).build().items())
    leagues = leagues_of(run.scenario())
    try:
        for name, actor in actors.items():
            actor.set_state(state["learner"][COMPONENT_RL_MODULE][name])
        for name, league in leagues.items():
            league.set_state(state["leagues"][name])
    except (KeyError, RuntimeError, ValueError) as error:
        raise LearningError(f"a checkpoint of {run.path} does not fit the run's scenario ({error})") from error
    return live_policies(config, actors, leagues)


def export_untrained(scenario: Scenario, folder: str | Path) -> None:
    """Write each learning policy as training would begin with it to `folder`/<its name>."""
    config = MultiAgentConfig.for_scenario(scenario)
    for name, actor in config.get_multi_rl_module_spec(inference_only=True).build().items():
        actor.policy.export(Path(folder) / name)


def export_league(policy: LeaguePolicy, league: League, folder: Path) -> None:
    """Write the league's members as `folder`/iteration_000005/NAME, as their policy NAME is exported, and a list."""
    names = [f"iteration_{member.iteration:06d}" for member in league.members]
    for name, member in zip(names, policy.members, strict=True):
        exporting: Any = member
        exporting.export(folder / name / league.settings.of)
    note = {"members": names, "probabilities": policy.probabilities}
    write_atomically(folder / LEAGUE, json.dumps(note) + "\n")
