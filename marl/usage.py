"""What the calls of a run's API policies came to: RUN/usage.json, and one cost limit for all steps of the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from marl.models.api_meter import COUNTS, Meter
from marl.multi_task import AnyScenario
from marl.settings import APISettings
from marl.store import RunDirectory

NAME = "usage.json"
Records = Mapping[str, Mapping[str, Any]]
"""By policy name, what `Meter.record` gives."""


@contextmanager
def metering(run: RunDirectory, step: str, meters: Mapping[str, Meter]) -> Iterator[None]:
    """Keep in usage.json what `meters` count while the body runs, whether or not it succeeds.

    What the run has spent before counts towards their limits. A step that is done again adds to its numbers.
    """
    totals = _totals(run.settings(), used(run))
    for name, meter in meters.items():
        meter.earlier = totals[name].spent if name in totals else 0.0
    try:
        yield
    finally:
        if meters:
            keep(run, step, _sum(used(run).get(step, {}), {name: meter.record() for name, meter in meters.items()}))


def keep(run: RunDirectory, step: str, records: Records) -> None:
    """Write `records` as those of `step`, and the sums over all steps with their summaries in words."""
    if not records:
        return
    steps = {**used(run), step: records}
    totals = _totals(run.settings(), steps)
    total = {name: meter.record() | {"summary": meter.summary()} for name, meter in totals.items()}
    run.write_json(NAME, {"steps": steps, "total": total})


def used(run: RunDirectory) -> dict[str, Records]:
    """{step: records} as far as the run has come; empty without API policies."""
    return dict(run.read_json(NAME)["steps"]) if run.has(NAME) else {}


def _totals(scenario: AnyScenario, steps: Mapping[str, Records]) -> dict[str, Meter]:
    """One meter a policy with the counts of all steps."""
    totals: dict[str, Meter] = {}
    for name, settings in scenario.policies.items():
        held = [records[name] for records in steps.values() if name in records]
        if isinstance(settings, APISettings) and held:
            totals[name] = Meter(name, settings)
            for record in held:
                totals[name].add(record)
    return totals


def _sum(first: Records, second: Records) -> Records:
    both = {name: dict(record) for name, record in {**first, **second}.items()}
    for name in set(first) & set(second):
        both[name] |= {count: first[name][count] + second[name][count] for count in COUNTS}
    return both
