"""Playing episodes: many env copies in lockstep, each language model asked once a step for all that is pending."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from marl.channel import Intervention
from marl.errors import EnvError, ScenarioError
from marl.policies.protocol import Policy
from marl.policies.together import decide_together, forget
from marl.settings import Scenario
from marl.table import Table
from marl.types import Decision, Episode, View

RETRIES = 2


class Tables:
    """Env copies of `scenario` that outlive a call of `play`: making one can cost more than an episode at it.

    One whose episode failed is made anew, and so is every one with a pool of texts.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._kept: dict[str | Intervention | None, list[Table]] = {}

    def lay(
        self, number: int, intervention: str | Intervention | None, pool: Mapping[str, Sequence[str]] | None
    ) -> list[Table]:
        """So many tables under the intervention."""
        kept = [] if pool else self._kept.setdefault(intervention, [])
        kept[:] = [table for table in kept if not table.failed]
        while len(kept) < number:
            kept.append(Table(self.scenario, intervention=intervention, pool=pool))
        return kept[:number]


def play(
    scenario: Scenario,
    policies: Mapping[str, Policy],
    indices: Sequence[int],
    *,
    seed: int,
    intervention: str | Intervention | None = None,
    pool: Mapping[str, Sequence[str]] | None = None,
    group: int = 64,
    copies: int = 1,
    on_step: Callable[[Episode], None] | None = None,
    tables: Tables | None = None,
) -> list[Episode]:
    """Play the episodes numbered `indices` and return their records in that order.

    `policies` maps policy names to policies; an agent's own name may stand there too and then wins for that seat.
    Every random stream is addressed by (`seed`, episode number), and episodes are stepped in lockstep groups of
    `group`, so that an episode depends on its group's numbers and not on who else plays. `intervention` replaces
    the scenario's (a name or an object of `marl.channel`); `pool` holds what scrambled messages are drawn from.
    `copies` consecutive episodes begin in one situation (their envs have one seed) and differ in what agents draw.
    `on_step` is called with each episode after each of its steps. `tables`, of the same scenario, are what is played
    at; they may be given to the next call, too.
    An env that raises makes its episode a recorded failure (`outcome == "failed"`, `error`); the others go on.
    """
    seating = {agent: _policy_of(agent, name, policies) for agent, name in scenario.seats.items()}
    tables = Tables(scenario) if tables is None else tables
    episodes: list[Episode] = []
    for start in range(0, len(indices), group):
        chunk = indices[start : start + group]
        laid = tables.lay(len(chunk), intervention, pool)
        episodes += _play_group(scenario, seating, laid, chunk, seed, copies, on_step)
    return episodes


def opened(scenario: Scenario) -> Table:
    """A table with its env reset, to be looked at before anybody plays. Raises EnvError where the env raises."""
    table = Table(scenario)
    table.open_record(scenario.seed, 0)
    for step in (table.begin, table.see_state):
        _guarded(table, step)
        if table.failed:
            raise EnvError(
                f"{scenario.env.entry} raises before anybody has played ({table.episode.error}); fix the env, or its "
                f"env.kwargs, which are {scenario.env.kwargs}"
            )
    return table


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
    copies: int,
    on_step: Callable[[Episode], None] | None,
) -> list[Episode]:
    for table, index in zip(tables, indices, strict=True):
        table.open_record(seed, index, index // copies)
        _guarded(table, table.begin)
    try:
        while True:
            asked = [
                (table, view, seating[view.agent]) for table in tables for view in _guarded(table, table.pending) or ()
            ]
            if not asked:
                return [table.episode for table in tables]
            views, policies = [view for _, view, _ in asked], [policy for _, _, policy in asked]
            answers = _decide(policies, views, retry=scenario.on_parse_failure == "retry")
            decisions: dict[int, dict[str, Decision]] = {id(table): {} for table in tables}
            for (table, view, _), decision in zip(asked, answers, strict=True):
                decisions[id(table)][view.agent] = decision
            for table in tables:
                if decisions[id(table)]:
                    _guarded(table, table.apply, decisions[id(table)], scenario.on_parse_failure)
                    if on_step is not None:
                        on_step(table.episode)
    finally:
        forget(seating.values(), [(index, agent) for index in indices for agent in seating])


def _decide(policies: Sequence[Policy], views: Sequence[View], *, retry: bool) -> list[Decision]:
    decisions = decide_together(policies, views)
    for _ in range(RETRIES if retry else 0):
        failed = [position for position, decision in enumerate(decisions) if decision.failure is not None]
        if not failed:
            break
        again = decide_together([policies[index] for index in failed], [views[index] for index in failed])
        for position, decision in zip(failed, again, strict=True):
            decisions[position] = decision
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
