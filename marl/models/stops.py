"""Stop texts: a reply ends where one of them appears, wherever its tokens begin and end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from marl.errors import ModelError
from marl.models.spelling import spelling


class StopTexts:
    """Looks for `texts` in what the tokens of `tokenizer` spell; the sampled tokens themselves are never changed.

    The search is on bytes, in which a character can neither hide in others nor be torn apart by a token's edge. White
    space counts as it was said. Raises ModelError for an empty text.
    """

    def __init__(self, texts: Sequence[str], tokenizer: Any) -> None:
        if isinstance(texts, str) or not all(isinstance(text, str) and text for text in texts):
            raise ModelError(f"stop_texts is {texts!r}; give a list of texts of at least one character each")
        self._stops = tuple(text.encode() for text in texts)
        self._longest = max(map(len, self._stops), default=0)
        self._spelled = spelling(tokenizer)

    def reached(self, token_ids: Sequence[int]) -> bool:
        """Whether the last of `token_ids` completes a stop text; only as many tokens are read as that can span."""
        if not self._stops or not token_ids:
            return False
        tail = self._spell(token_ids[-1])
        enough = len(tail) + self._longest - 1
        place = len(token_ids) - 1
        while place and len(tail) < enough:
            place -= 1
            tail = self._spell(token_ids[place]) + tail
        return any(stop in tail for stop in self._stops)

    def cut(self, token_ids: Sequence[int]) -> str:
        """The text of `token_ids` before the earliest stop text, on one line, as `LanguageModel.decode` gives it."""
        said = b"".join(map(self._spell, token_ids))
        places = [place for stop in self._stops if (place := said.find(stop)) >= 0]
        return " ".join(said[: min(places, default=None)].decode(errors="replace").split())

    def _spell(self, token: int) -> bytes:
        return self._spelled[token] if token < len(self._spelled) else b""
