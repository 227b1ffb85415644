"""Episodes in which senders say given things in given situations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from marl.types import Episode, Message, Turn


@pytest.fixture
def talk() -> Callable[..., Episode]:
    """talk(index, situation, {sender: message or [messages by round]}, payoff, plays) -> Episode."""
    return make_talk


def make_talk(
    index: int,
    situation: str,
    said: Mapping[str, str | Sequence[str]],
    *,
    payoff: float = 0.0,
    plays: Mapping[str, str] | None = None,
    step: int = 0,
    failed: bool = False,
) -> Episode:
    agents = ("scout_0", "partner_0")
    made = Episode("talk", 1, index, agents, situation, returns=dict.fromkeys(agents, payoff))
    for sender, texts in said.items():
        for round_, text in enumerate([texts] if isinstance(texts, str) else texts):
            made.messages.append(Message(sender, text, text, step, round_, agents))
    for agent, action in (plays or {}).items():
        made.turns.append(
            Turn(
                len(made.turns), agent, agent, "act", step, 0, "p", (action,), action, 0,
                (), (), (), (), np.zeros(1), np.zeros(1), (), (),
            )
        )  # fmt: skip
    if failed:
        made.outcome, made.error = "failed", "ValueError: broken"
    return made
