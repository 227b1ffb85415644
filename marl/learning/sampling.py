"""Playing episodes with given policies, in this process or on Ray actors, with one answer for both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from marl.learning.task import Task
from marl.policies.protocol import Policy
from marl.settings import Scenario
from marl.types import Episode


class Play(Protocol):
    """`marl.rollout.play` without its `group`."""

    def __call__(
        self,
        scenario: Scenario,
        policies: Mapping[str, Policy],
        indices: Sequence[int],
        *,
        seed: int,
        intervention: str | None = None,
        pool: Mapping[str, Sequence[str]] | None = None,
    ) -> list[Episode]:
        """Play the episodes numbered `indices`."""
        ...


@contextmanager
def sampler(env_runners: int) -> Iterator[Play]:
    """Gives `play(scenario, policies, indices, seed=...)`, here (0) or on so many Ray actors.

    The episodes are the same whatever the number. Ray is imported and started only for a number above 0.
    """
    if env_runners == 0:
        yield _play_here
        return
    from marl.learning.policy_runner import PolicyRunners

    runners = PolicyRunners(env_runners)
    try:
        yield runners.play
    finally:
        runners.close()


def _play_here(
    scenario: Scenario,
    policies: Mapping[str, Policy],
    indices: Sequence[int],
    *,
    seed: int,
    intervention: str | None = None,
    pool: Mapping[str, Sequence[str]] | None = None,
) -> list[Episode]:
    return Task(tuple(indices), seed, intervention, pool).play(scenario, policies)
