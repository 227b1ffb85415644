"""What each sender says, and in which situation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from marl.types import Episode

LISTED = 3
RARE = 0.05


def senders(episodes: Sequence[Episode]) -> list[str]:
    """The agents that sent a message in any episode, in the order of `Episode.agents`."""
    speaking = {message.sender for episode in episodes for message in episode.messages}
    return [agent for agent in (episodes[0].agents if episodes else ()) if agent in speaking]


def signal(episode: Episode, sender: str) -> str:
    """What `sender` said before the first decision at which it spoke: its rounds joined by " / ", "" for silence.

    Only this can be held against `Episode.situation`, which describes the first state; later talk of a repeated game
    is about what has happened since, and does not stand in where the first try to speak failed. Runs of
    blanks count as one, and nothing else is normalized: two wordings of the same content are two messages.
    """
    sent = [message for message in episode.messages if message.sender == sender]
    tried = [turn.step for turn in episode.turns if turn.agent == sender and turn.phase == "talk"]
    first = min([*tried, *(message.step for message in sent)], default=0)
    rounds = [" ".join(message.sent.split()) for message in sent if message.step == first]
    return " / ".join(rounds) if any(rounds) else ""


def lexicon(situations: Sequence[str], signals: Sequence[str]) -> list[dict[str, Any]]:
    """The most frequent messages of each situation: [{"situation", "message", "share"}, ...].

    Each situation lists its first message and at most two more that make up at least 5 % of its episodes; ties stand
    in alphabetical order.
    """
    entries: list[dict[str, Any]] = []
    for situation in sorted(set(situations)):
        said = Counter(text for where, text in zip(situations, signals, strict=True) if where == situation)
        ranked = sorted(said, key=lambda text: (-said[text], text))[:LISTED]
        entries += [
            {"situation": situation, "message": text, "share": said[text] / said.total()}
            for place, text in enumerate(ranked)
            if place == 0 or said[text] >= RARE * said.total()
        ]
    return entries
