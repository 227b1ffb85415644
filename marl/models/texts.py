"""Text to token ids and back, for plain models and for models with a chat template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from marl.errors import ModelError
from marl.models.records import Ids

ANCHOR = "Answer:"
"""What a reply is tokenized behind, so that tokenizers which treat the start of a text otherwise cannot tell."""


KEPT = 65536
"""Encoded texts that are kept; the same prompts come again and again in a run."""


class Texts:
    """A tokenizer's prompts and replies.

    With a chat template the prompt is the user's turn, a reply starts without a space and ends with the end-of-text
    token. Without one a reply continues the prompt with a space (" north") and ends with a newline.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.chat = bool(getattr(tokenizer, "chat_template", None))
        self._anchor = self._render(ANCHOR) if self.chat else ANCHOR
        self._anchor_ids = self._encode(self._anchor)
        end = tokenizer.eos_token_id
        self.end_ids: Ids = () if end is None else (end,)
        self._prompts: dict[str, Ids] = {}
        self._replies: dict[str, Ids] = {}
        self.stop_id = self._stop()

    def encode_prompt(self, text: str) -> Ids:
        """The prompt as the model reads it: begin-of-text token or chat template where the tokenizer has one."""
        return _cached(self._prompts, text, self._prompt)

    def encode_reply(self, text: str) -> Ids:
        """The tokens of `text` as a reply, without a stop token. Raises ModelError for an empty text."""
        return _cached(self._replies, text, self._reply)

    def decode(self, ids: Sequence[int]) -> str:
        """A reply's text on one line: stop token and special tokens dropped, runs of white space made one space."""
        kept = [token for token in ids if token != self.stop_id]
        return " ".join(self.tokenizer.decode(kept, skip_special_tokens=True).split())

    def _prompt(self, text: str) -> Ids:
        if self.chat:
            return self._encode(self._render(text))
        ids = tuple(self.tokenizer.encode(text, add_special_tokens=True))
        return ids[:-1] if ids and ids[-1] in self.end_ids else ids

    def _reply(self, text: str) -> Ids:
        if not text.strip():
            raise ModelError(f"a legal text is empty ({text!r}); every option needs at least one visible character")
        return self._continue(text.strip() if self.chat else " " + text.strip())

    def _render(self, text: str) -> str:
        turn = [{"role": "user", "content": text}]
        return str(self.tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True))

    def _encode(self, text: str) -> Ids:
        return tuple(self.tokenizer.encode(text, add_special_tokens=False))

    def _continue(self, text: str) -> Ids:
        """The tokens that `text` adds behind the anchor; its own tokens where the two would merge."""
        ids = self._encode(self._anchor + text)
        count = len(self._anchor_ids)
        return ids[count:] if ids[:count] == self._anchor_ids and len(ids) > count else self._encode(text)

    def _stop(self) -> int:
        newline = self._continue("\n")
        if not self.chat and len(newline) == 1 and newline[0] != self.tokenizer.unk_token_id:
            return newline[0]
        if self.end_ids:
            return self.end_ids[0]
        raise ModelError(
            "the tokenizer has neither an end-of-text token nor a single newline token, so a reply could not end; "
            "set its eos_token"
        )


def _cached(store: dict[str, Ids], text: str, encode: Callable[[str], Ids]) -> Ids:
    ids = store.get(text)
    if ids is None:
        if len(store) >= KEPT:
            store.clear()
        ids = store[text] = encode(text)
    return ids
