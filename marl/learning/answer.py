"""What a runner sends back for a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marl.errors import ParleyError
from marl.learning.task import Task
from marl.models.api_meter import Meter
from marl.policies import Policy, meters
from marl.rollout import Tables
from marl.settings import Scenario
from marl.types import Episode


@dataclass(frozen=True)
class Answer:
    """`result` is the episodes or Parley's own error, `usage` what the policies' meters counted, by policy name.

    An error is returned, not raised: a Ray actor that raises counts as broken and would be replaced.
    """

    result: list[Episode] | ParleyError
    usage: Mapping[str, Mapping[str, Any]]

    def book(self, onto: Mapping[str, Meter]) -> None:
        """Add `usage` to the meters of this process."""
        for name, record in self.usage.items():
            onto[name].add(record)

    def episodes(self) -> list[Episode]:
        """The episodes. Raises the error where there is one."""
        if isinstance(self.result, ParleyError):
            raise self.result
        return self.result


def answer(task: Task, scenario: Scenario, policies: Mapping[str, Policy], tables: Tables | None = None) -> Answer:
    """Play `task` here, at `tables` where they are given."""
    counting = meters(policies.values())
    before = {name: meter.record() for name, meter in counting.items()}
    result: list[Episode] | ParleyError
    try:
        result = task.play(scenario, policies, tables)
    except ParleyError as error:
        result = error
    return Answer(result, {name: meter.since(before[name]) for name, meter in counting.items()})
