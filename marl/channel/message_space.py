"""Which texts are messages: one clean line that cannot pass for another speaker's or for the prompt's own words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from gymnasium.spaces import Text

from marl.errors import ChannelError

ASCII = "".join(map(chr, range(32, 127)))
# The prompt's cues. Like an agent's name they stand before a colon, so a message that held one could pass for a turn.
CUES = ("say one of", "say", "choose", "answer")


class MessageSpace(Text):
    """The clean texts of at most `max_characters` characters, and where given only those in `vocabulary`.

    A text is clean when `clean` leaves it as it is. The empty text (silence) always belongs; `max_characters=0`
    leaves nothing else. Characters may come from any script: `charset` is only what `sample` draws from.
    Raises ChannelError for a vocabulary that holds a text which is not clean or too long.
    """

    def __init__(self, max_characters: int, names: Sequence[str], vocabulary: Sequence[str] | None = None) -> None:
        super().__init__(max_characters, min_length=0, charset=ASCII)
        tags = sorted([*map(re.escape, names), *CUES], key=len, reverse=True)
        self._tag = re.compile(rf"(?<!\w)({'|'.join(tags)})(?:\s*[:\uff1a])+", re.IGNORECASE)
        self.vocabulary = None if vocabulary is None else tuple(vocabulary)
        for word in self.vocabulary or ():
            if not word or self.clean(word) != word or len(word) > max_characters:
                raise ChannelError(
                    f"the vocabulary holds {word!r}, which cannot be sent; give texts of 1 to {max_characters} "
                    f'characters on one line, without "name:" of an agent and without outer spaces'
                )

    def clean(self, text: str) -> str:
        """`text` as one line: the rules by which every message is normalized, and the only change made to it.

        Line breaks, control, format and other unprintable characters become spaces, runs of spaces become one, outer
        spaces go. An agent's name or a cue of the prompt loses a colon behind it ("scout_0: go" becomes
        "scout_0 go"). Cleaning twice changes nothing.
        """
        line = _one_line(text)
        while True:  # dropping one colon can leave another cue behind ("say: one of:"); each pass drops at least one
            shorter = _one_line(self._tag.sub(r"\1 ", line))
            if shorter == line:
                return line
            line = shorter

    def sample(self, mask: Any | None = None, probability: Any | None = None) -> str:
        """A text of the space. `mask` and `probability` are gymnasium's and go with free text only."""
        if self.vocabulary is None:
            return self.clean(super().sample(mask, probability))
        if mask is not None or probability is not None:
            raise ChannelError("a message space with a vocabulary samples uniformly; leave mask and probability out")
        return self.vocabulary[int(self.np_random.integers(len(self.vocabulary)))]

    def contains(self, x: Any) -> bool:
        """Whether `x` may be sent as it stands."""
        if not isinstance(x, str) or len(x) > self.max_length or self.clean(x) != x:
            return False
        return not x or self.vocabulary is None or x in self.vocabulary

    def __eq__(self, other: Any) -> bool:
        return super().__eq__(other) and (self.vocabulary, self._tag) == (other.vocabulary, other._tag)

    def __repr__(self) -> str:
        words = "" if self.vocabulary is None else f", vocabulary={list(self.vocabulary)}"
        return f"MessageSpace(max_characters={self.max_length}{words})"


def _one_line(text: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
