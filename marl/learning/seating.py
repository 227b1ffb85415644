"""Live policies for a scenario: the learning ones around the given models, the others as the scenario says."""

from __future__ import annotations

from collections.abc import Mapping

from marl.errors import LearningError
from marl.models.api_meter import Meter
from marl.multi_task import AnyScenario
from marl.policies import Policy, build_policies
from marl.policies.bases import Bases
from marl.policies.league import LeaguePolicy
from marl.settings import (
    APISettings,
    HumanSettings,
    LanguageModelSettings,
    LeagueSettings,
    NetworkSettings,
)


def learning_policies(scenario: AnyScenario) -> dict[str, LanguageModelSettings | NetworkSettings]:
    """The policies that learn and sit somewhere, in the scenario's order. Raises LearningError when there is none."""
    seated = set(scenario.seats.values())
    found = {
        name: policy
        for name, policy in scenario.policies.items()
        if isinstance(policy, LanguageModelSettings | NetworkSettings) and policy.learn and name in seated
    }
    if not found:
        raise LearningError("no seated policy learns; seat a language model or a network with learn: true")
    return found


def seat(scenario: AnyScenario, learners: Mapping[str, Policy]) -> dict[str, Policy]:
    """Every seated policy by name: `learners` themselves, which change as they are trained, and the others.

    Others that read a learner's base share it. A league plays with the learner until its members are seated. Raises
    LearningError when a person is seated: training would wait for every answer.
    """
    seated = set(scenario.seats.values())
    leagues, others = {}, {}
    for name, policy in scenario.policies.items():
        if isinstance(policy, LeagueSettings) and name in seated:
            leagues[name] = LeaguePolicy(name, [learners[policy.of]], [1.0], scenario.seed)
        elif name in seated and name not in learners:
            others[name] = policy
    people = [name for name, policy in others.items() if isinstance(policy, HumanSettings)]
    if people:
        raise LearningError(f"policies {people} are people and cannot sit in training; seat another policy")
    bases = Bases(learners.values())
    return build_policies(scenario, seed=scenario.seed, bases=bases, only=others) | leagues | dict(learners)


def seated_meters(scenario: AnyScenario) -> dict[str, Meter]:
    """A new meter for each seated API policy, by name: for what is counted in other processes."""
    return {
        name: Meter(name, policy)
        for name, policy in scenario.policies.items()
        if isinstance(policy, APISettings) and name in scenario.seats.values()
    }
