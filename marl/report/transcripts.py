"""A few episodes of each arm as conversations: what was said, what was heard, what was done, what it paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from marl.report import formats
from marl.types import Episode, Message, ParseFailure, Turn

MOST_EPISODES = 4
MOST_DECISIONS = 12


@dataclass(frozen=True)
class Bubble:
    """One message. `heard` is what the hearers read where it is not what was `sent`; `seat` is the agent's place.

    Where `fault` says why a try to speak failed, nobody heard anything, and `sent` is what the agent answered.
    """

    agent: str
    seat: int
    sent: str
    heard: str | None
    hearers: str
    fault: str | None = None


@dataclass(frozen=True)
class Move:
    """One action, or why the reply named none; `replied` is False where there was no reply."""

    agent: str
    seat: int
    text: str
    fault: str | None
    replied: bool = True


@dataclass
class DecisionView:
    """The talk before one decision of the env and the actions taken in it."""

    bubbles: list[Bubble] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)


@dataclass(frozen=True)
class Transcript:
    """One episode. `prompts` pairs an agent with the last text that it was shown before acting."""

    index: int
    seed: int
    situation: str
    decisions: list[DecisionView]
    left_out: int
    payoffs: list[tuple[str, int, str]]
    outcome: str
    prompts: list[tuple[str, str]]


def transcripts_of(episodes: Mapping[str, Sequence[Episode]]) -> dict[str, list[Transcript]]:
    """By arm, the first episode of each situation (failed ones too), at most `MOST_EPISODES`."""
    return {arm: [transcript(episode) for episode in pick(held)] for arm, held in episodes.items() if held}


def pick(episodes: Sequence[Episode]) -> list[Episode]:
    """One episode a situation while there are new ones, then the earliest of the others, in order of situation."""
    first: dict[str, Episode] = {}
    for episode in episodes:
        first.setdefault(episode.situation, episode)
    chosen = [first[situation] for situation in sorted(first)][:MOST_EPISODES]
    taken = {id(episode) for episode in chosen}
    return chosen + [episode for episode in episodes if id(episode) not in taken][: max(0, 2 - len(chosen))]


def transcript(episode: Episode) -> Transcript:
    """Arrange one episode by the env's decisions."""
    seats = {agent: place for place, agent in enumerate(episode.agents)}
    steps: dict[int, DecisionView] = {}
    said = [(message.step, message.round, _bubble(message, seats)) for message in episode.messages]
    said += [
        (turn.step, turn.round, _unsaid(turn, turn.failure, seats))
        for turn in episode.turns
        if turn.failure and turn.phase == "talk"
    ]
    for step, _, bubble in sorted(said, key=lambda one: one[:2]):
        steps.setdefault(step, DecisionView()).bubbles.append(bubble)
    prompts: dict[str, str] = {}
    for turn in episode.turns:
        if turn.phase == "act":
            steps.setdefault(turn.step, DecisionView()).moves.append(_move(turn, seats))
            prompts[turn.agent] = turn.prompt
    ordered = [steps[step] for step in sorted(steps)]
    payoffs = [(agent, seats.get(agent, 0) % 4, formats.short(value)) for agent, value in episode.returns.items()]
    return Transcript(
        episode.index, episode.seed, episode.situation or "an unnamed situation", ordered[:MOST_DECISIONS],
        max(0, len(ordered) - MOST_DECISIONS), payoffs, _outcome(episode), list(prompts.items()),
    )  # fmt: skip


def _bubble(message: Message, seats: Mapping[str, int]) -> Bubble:
    heard = message.text if message.text != message.sent else None
    return Bubble(
        message.sender, seats.get(message.sender, 0) % 4, message.sent, heard, formats.listing(list(message.hearers))
    )


def _unsaid(turn: Turn, failure: ParseFailure, seats: Mapping[str, int]) -> Bubble:
    return Bubble(turn.agent, seats.get(turn.agent, 0) % 4, failure.text, None, "", failure.reason)


def _move(turn: Turn, seats: Mapping[str, int]) -> Move:
    chosen = turn.options[turn.choice] if turn.choice is not None and turn.choice < len(turn.options) else turn.text
    seat = seats.get(turn.agent, 0) % 4
    if turn.failure is None:
        return Move(turn.agent, seat, chosen, None)
    return Move(turn.agent, seat, turn.failure.text, turn.failure.reason, turn.failure.kind == "reply")


def _outcome(episode: Episode) -> str:
    if episode.outcome == "failed":
        return f"This episode failed: {episode.error or 'no reason was recorded'}"
    return "It was cut off before its end." if episode.outcome == "truncated" else ""
