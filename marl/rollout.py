"""Playing episodes: many env copies in lockstep, each policy asked once a step for every turn that is pending."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from marl.errors import ScenarioError
from marl.policies.protocol import Policy
from marl.settings import Scenario
from marl.table import Table
from marl.types import Decision, Episode, View

RETRIES = 2


def play(
    scenario: Scenario,
    policies: Mapping[str, Policy],
    indices: Sequence[int],
    *,
    seed: int,
    intervention: str | None = None,
    pool: Mapping[str, Sequence[str]] | None = None,
    group: int = 64,
    on_step: Callable[[Episode], None] | None = None,
) -> list[Episode]:
    """Play the episodes numbered `indices` and return their records in that order.

    `policies` maps policy names to policies; an agent's own name may stand there too and then wins for that seat.
    Every random stream is addressed by (`seed`, episode number), and episodes are stepped in lockstep groups of
    `group`, so that an episode depends on its group's numbers and not on who else plays. `intervention` replaces
    the scenario's ("none", "off", "scrambled"); `pool` holds the texts that scrambled messages are drawn from.
    `on_step` is called with each episode after each of its steps.
    An env that raises makes its episode a recorded failure (`outcome == "failed"`, `error`); the others go on.
    """
    seating = {agent: _policy_of(agent, name, policies) for agent, name in scenario.seats.items()}
    episodes: list[Episode] = []
    tables: list[Table] = []
    for start in range(0, len(indices), group):
        chunk = indices[start : start + group]
        while len(tables) < len(chunk):
            tables.append(Table(scenario, intervention=intervention, pool=pool))
        episodes += _play_group(scenario, seating, tables[: len(chunk)], chunk, seed, on_step)
    return episodes


def _policy_of(agent: str, name: str, policies: Mapping[str, Policy]) -> Policy:
    policy = policies.get(agent) or policies.get(name)
    if policy is None:
        raise ScenarioError(f"nobody sits on {agent!r}: no policy {name!r} was given; given: {sorted(policies)}")
    return policy


def _play_group(
    scenario: Scenario,
    seating: Mapping[str, Policy],
    tables: Sequence[Table],
    indices: Sequence[int],
    seed: int,
    on_step: Callable[[Episode], None] | None,
) -> list[Episode]:
    for table, index in zip(tables, indices, strict=True):
        table.open_record(seed, index)
        _guarded(table, table.begin)
    while True:
        asked: dict[int, list[tuple[Table, View]]] = {}
        askers: dict[int, Policy] = {}
        for table in tables:
            for view in _guarded(table, table.pending) or ():
                policy = seating[view.agent]
                askers[id(policy)] = policy
                asked.setdefault(id(policy), []).append((table, view))
        if not asked:
            return [table.episode for table in tables]
        decisions: dict[int, dict[str, Decision]] = {id(table): {} for table in tables}
        for key, turns in asked.items():
            answers = _decide(askers[key], [view for _, view in turns], retry=scenario.on_parse_failure == "retry")
            for (table, view), decision in zip(turns, answers, strict=True):
                decisions[id(table)][view.agent] = decision
        for table in tables:
            if decisions[id(table)]:
                _guarded(table, table.apply, decisions[id(table)], scenario.on_parse_failure)
                if on_step is not None:
                    on_step(table.episode)


def _decide(policy: Policy, views: Sequence[View], *, retry: bool) -> list[Decision]:
    decisions = policy.decide(views)
    for _ in range(RETRIES if retry else 0):
        failed = [position for position, decision in enumerate(decisions) if decision.failure is not None]
        if not failed:
            break
        for position, again in zip(failed, policy.decide([views[position] for position in failed]), strict=True):
            decisions[position] = again
    return decisions


def _guarded(table: Table, step: Any, *arguments: Any) -> Any:
    """The project's one broad except: a third-party env may raise anything, and one bad episode must not end a run.

    What is wrong with the set-up, a model or a policy is raised outside of it and does end the run.
    """
    if table.failed:
        return None
    try:
        return step(*arguments)
    except Exception as error:
        table.fail(f"{type(error).__name__}: {error}")
        return None
