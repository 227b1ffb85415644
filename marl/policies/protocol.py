"""The contract of everything that sits on a seat."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, runtime_checkable

from marl.types import Decision, View


@runtime_checkable
class Policy(Protocol):
    """Decides for one or more agents. It may use what a view holds and nothing else, unless it `Remembers`.

    `name` is the policy's name in the scenario; `trainable` says whether training may change it.
    """

    name: str
    trainable: bool

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """One decision for each view, in order.

        Where a view has options, the decision's `choice` indexes them, or is None and `failure` says why. Without
        options the decision's `text` is the message, which may be empty.
        """
        ...


@runtime_checkable
class Remembers(Protocol):
    """A policy that uses what the agent's earlier views of the same episode held, too."""

    def release(self, owners: Collection[tuple[int, str]]) -> None:
        """Drop what is kept for `owners`, (episode, agent) each: their episodes are over, and numbers come again."""
        ...
