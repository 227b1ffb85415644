"""What an experimenter may do to a channel: nothing, switch it off, deafen all hearers, or change what is heard.

Scrambling replaces each delivered message by one that the same sender sent in another episode. How often each text
is heard stays the same; whether it fits the state becomes chance. With the channel deaf everybody speaks as ever, and
remembers it, but nobody hears a word: beside the channel off, it tells being heard from having spoken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from marl.errors import ChannelError
from marl.types import Episode

NAMES = ("none", "off", "scrambled", "deaf")


class Intervention(Protocol):
    """A change to a channel. `talks` says whether there is a talk phase at all."""

    talks: bool

    def heard(self, sender: str, text: str, rng: np.random.Generator) -> str | None:
        """What the hearers read when `sender` sent `text`, or None where it reaches nobody.

        Draws from the channel's own stream only.
        """
        ...


class Untouched:
    """Every message is heard as sent."""

    talks = True

    def heard(self, sender: str, text: str, rng: np.random.Generator) -> str:
        """`text` itself."""
        return text


class Off:
    """Nobody speaks: there is no talk phase and every inbox stays empty."""

    talks = False

    def heard(self, sender: str, text: str, rng: np.random.Generator) -> str:
        """Never called by a channel, which has no talk phase then; raises ChannelError."""
        raise ChannelError(f"{sender} sent {text!r}, but the channel is off; give actions of the act phase only")


class Deaf:
    """Everybody speaks, and no message reaches anybody."""

    talks = True

    def heard(self, sender: str, text: str, rng: np.random.Generator) -> None:
        """Nothing."""
        return


class Replaced:
    """Each text that `texts` holds is heard as the text that it maps to, any other as sent.

    The texts must be ones that the channel can carry, such as other messages of the same convention.
    """

    talks = True

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = dict(texts)

    def heard(self, sender: str, text: str, rng: np.random.Generator) -> str:
        """The text in its place."""
        return self.texts.get(text, text)


class BySender:
    """Each sender's messages go through an intervention of its own; those of senders left out are heard as sent.

    Raises ChannelError for an intervention without a talk phase: that is one for all or for none.
    """

    talks = True

    def __init__(self, interventions: Mapping[str, Intervention]) -> None:
        without = [sender for sender, one in interventions.items() if not one.talks]
        if without:
            raise ChannelError(
                f"{without} cannot have the channel off for themselves; with Deaf nothing of theirs is heard"
            )
        self.interventions = dict(interventions)

    def heard(self, sender: str, text: str, rng: np.random.Generator) -> str | None:
        """What this sender's intervention makes of it."""
        own = self.interventions.get(sender)
        return text if own is None else own.heard(sender, text, rng)


class Scrambled:
    """Each message is replaced by a uniform draw, with multiplicity, from `pool[sender]`.

    The pool should come from other episodes than the one that is played. Raises ChannelError when one of `senders`
    has no texts in it.
    """

    talks = True

    def __init__(self, pool: Mapping[str, Sequence[str]] | None, senders: Iterable[str]) -> None:
        if pool is None:
            raise ChannelError(
                'the intervention "scrambled" needs a pool {sender: [texts]} of messages sent in other episodes; '
                "play some with the intervention none and pass their messages"
            )
        empty = [sender for sender in senders if not pool.get(sender)]
        if empty:
            raise ChannelError(
                f"the pool for scrambling holds no messages of {empty}; it has {_sizes(pool)}; "
                "add messages that they sent in other episodes"
            )
        self.pool = {sender: tuple(texts) for sender, texts in pool.items()}

    def heard(self, sender: str, text: str, rng: np.random.Generator) -> str:
        """A text that `sender` sent in another episode."""
        texts = self.pool[sender]
        return texts[int(rng.integers(len(texts)))]


def messages_by_sender(episodes: Sequence[Episode]) -> dict[str, list[str]]:
    """All texts that each agent sent, repeats kept: what scrambled messages are drawn from.

    Of an agent that was asked to talk and never managed to, it is silence that others may hear instead.
    """
    pool: dict[str, list[str]] = {}
    for episode in episodes:
        for message in episode.messages:
            pool.setdefault(message.sender, []).append(message.sent)
    asked = {turn.agent for episode in episodes for turn in episode.turns if turn.phase == "talk"}
    return pool | {agent: [""] for agent in sorted(asked - set(pool))}


def _sizes(pool: Mapping[str, Sequence[str]]) -> dict[str, int]:
    return {sender: len(texts) for sender, texts in pool.items()}


def intervention(
    name: str | Intervention, *, senders: Iterable[str], pool: Mapping[str, Sequence[str]] | None = None
) -> Intervention:
    """The intervention called `name`, or `name` itself where it is one; `senders` are the agents that may speak.

    Raises ChannelError for other names.
    """
    if not isinstance(name, str):
        return name
    if name == "none":
        return Untouched()
    if name == "off":
        return Off()
    if name == "deaf":
        return Deaf()
    if name == "scrambled":
        return Scrambled(pool, senders)
    raise ChannelError(f"intervention {name!r} is unknown; give one of {list(NAMES)}")
