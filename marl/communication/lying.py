"""What a sender's messages tell, and the same messages as lies: each exchanged for one that tells something else.

A general lie would need to know what words mean. Here meaning is what the sender's own play shows: the situation of the
episode or, where all begin alike, the move that it makes after saying it. So only conventions whose messages repeat
can be lied in; the test is that of `marl.communication.convention`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from marl.communication.convention import name_convention
from marl.communication.information import mutual_information
from marl.seeding import stream
from marl.types import Episode

TELLING = ("separating", "partial pooling")


@dataclass(frozen=True, slots=True)
class Lie:
    """How `sender`'s messages become lies. `meanings` maps each text to what it is mostly said of, several joined by
    " or " where they are not told apart; `heard_as` maps it to a text that is mostly said of something else.
    """

    sender: str
    about: Literal["situation", "own move"]
    meanings: dict[str, str]
    heard_as: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """The fields but the sender's name, as plain data."""
        return {"about": self.about, "meanings": self.meanings, "heard_as": self.heard_as}


def lie(episodes: Sequence[Episode], sender: str, *, seed: int, level: float = 0.05) -> Lie | None:
    """The sender's lie, learned from `episodes` as played without an intervention; None where it tells nothing.

    The messages must tell at least two classes of situations, else of its own moves, apart, with a p-value of at most
    `level`. The classes stand in a circle, the most frequent message of each speaks for it, and in a lie every message
    is heard as the one that speaks for the next class. A text that was never sent is heard as it is.
    """
    done = [episode for episode in episodes if episode.outcome != "failed"]
    sources: list[tuple[Literal["situation", "own move"], list[tuple[str, str]]]] = [
        ("situation", [(episode.situation, text) for episode in done for text in _opening(episode, sender)]),
        ("own move", [pair for episode in done for pair in _announcements(episode, sender)]),
    ]
    for about, pairs in sources:
        classes = _classes(pairs, sender, seed, level)
        spoken = _spoken(pairs, classes)
        speaks = {number: texts.most_common(1)[0][0] for number, texts in spoken.items() if texts}
        if len(speaks) > 1:
            order = list(speaks)
            following = {number: speaks[order[(k + 1) % len(order)]] for k, number in enumerate(order)}
            meant = {text: number for number, texts in spoken.items() for text in sorted(texts)}
            return Lie(
                sender,
                about,
                {text: " or ".join(classes[number]) for text, number in meant.items()},
                {text: following[number] for text, number in meant.items()},
            )
    return None


def _opening(episode: Episode, sender: str) -> list[str]:
    """What the sender said before its first decision at which it spoke: only that is about the first situation."""
    sent = [message for message in episode.messages if message.sender == sender and message.sent]
    return [message.sent for message in sent if message.step == sent[0].step]


def _announcements(episode: Episode, sender: str) -> list[tuple[str, str]]:
    """(the move that followed, the message) for each message before a decision that the sender made."""
    moves = {turn.step: turn.text for turn in episode.turns if turn.agent == sender and turn.phase == "act"}
    sent = [message for message in episode.messages if message.sender == sender and message.sent]
    return [(moves[message.step], message.sent) for message in sent if message.step in moves]


def _classes(pairs: Sequence[tuple[str, str]], sender: str, seed: int, level: float) -> tuple[tuple[str, ...], ...]:
    """What the messages tell apart; nothing where they do not."""
    labels, texts = [label for label, _ in pairs], [text for _, text in pairs]
    if len(set(labels)) < 2:
        return ()
    information = mutual_information(labels, texts, rng=stream(seed, "bootstrap", "lying", sender))
    convention = name_convention(labels, texts, p=information.p, level=level)
    return convention.groups if convention.name in TELLING else ()


def _spoken(pairs: Sequence[tuple[str, str]], classes: Sequence[Sequence[str]]) -> dict[int, Counter[str]]:
    """The texts of each class, and how often they were said in it: a text belongs where its share is largest."""
    number = {label: k for k, group in enumerate(classes) for label in group}
    said: dict[int, Counter[str]] = {k: Counter() for k in range(len(classes))}
    for label, text in pairs if classes else ():
        said[number[label]][text] += 1
    found: dict[int, Counter[str]] = {k: Counter() for k in said}
    for text in sorted({text for texts in said.values() for text in texts}):
        best = max(said, key=lambda k: (said[k][text] / said[k].total(), -k))
        found[best][text] = said[best][text]
    return found
