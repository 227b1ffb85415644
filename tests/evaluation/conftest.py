"""Episodes made by hand, and scripted hunters for the real rollout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from marl.types import Decision, Episode, Message, ParseFailure, Turn, View


@pytest.fixture
def episode() -> Callable[..., Episode]:
    """episode(index, returns, plays=..., situation=..., said=..., failure=..., error=...) -> Episode."""
    return make_episode


def make_episode(
    index: int,
    returns: Mapping[str, float],
    *,
    plays: Sequence[Mapping[str, str]] = (),
    situation: str = "start",
    said: Mapping[str, str] | None = None,
    success: float | None = None,
    unparsed: Sequence[str] = (),
    error: str | None = None,
) -> Episode:
    agents = tuple(returns)
    made = Episode("made", 3, index, agents, situation, returns=dict(returns), success=success, error=error)
    if error is not None:
        made.outcome = "failed"
    for step, joint in enumerate(plays):
        for agent, action in joint.items():
            failure = ParseFailure("hm", "names no action") if agent in unparsed else None
            made.turns.append(
                Turn(
                    len(made.turns), agent, agent, "act", step, 0, "p", (action, "other"), action,
                    None if failure else 0, (), (), (), (), np.zeros(1), np.zeros(1), (), (), failure=failure,
                )
            )  # fmt: skip
    for sender, text in (said or {}).items():
        made.messages.append(Message(sender, text, text, 0, 0, ()))
    return made


class Hunter:
    """Scout: names the stag's valley and goes there. Partner: goes where the scout says, and hunts hare in silence."""

    trainable = False

    def __init__(self, name: str, *, hare: bool = False) -> None:
        self.name = name
        self.hare = hare

    def decide(self, views: Sequence[View]) -> list[Decision]:
        return [self._decide(view) for view in views]

    def _decide(self, view: View) -> Decision:
        seen = [word for word in ("north", "east", "south", "west") if f"in the {word} valley" in view.prompt]
        heard = [message.text for message in view.inbox if message.sender != view.agent]
        if view.phase == "talk":
            text = seen[0] if seen else "hello"
            return Decision(text, view.options.index(text) if text in view.options else None)
        told = [text for text in (seen or heard) if text in view.options]
        text = "hare" if self.hare or not told else told[0]
        return Decision(text, view.options.index(text))


@pytest.fixture
def hunters() -> Callable[..., dict[str, Hunter]]:
    """hunters(hare=False) -> {policy name: policy}."""
    return lambda hare=False: {name: Hunter(name, hare=hare) for name in ("scout", "partner")}
