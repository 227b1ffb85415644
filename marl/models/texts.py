"""Text to token ids and back, for plain models and for models with a chat template."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from jinja2 import TemplateError

from marl.errors import ModelError
from marl.models.records import Ids

ANCHOR = "Answer:"
"""What a reply is tokenized behind, so that tokenizers which treat the start of a text otherwise cannot tell."""

SAMPLE = "north"
"""What a chat template is given as a reply, to see what it puts around one."""

KEPT = 65536
"""Encoded texts that are kept; the same prompts come again and again in a run."""


class Texts:
    """A tokenizer's prompts and replies.

    With a chat template the prompt is the user's turn (thinking switched off, where the template knows the switch); a
    reply starts and ends as the template has it, with the token that ends the model's turn. Without one a reply
    continues the prompt with a space (" north") and ends with a newline. A control token written out inside a text
    stays text: no message can end the turn that it is quoted in.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.chat = bool(getattr(tokenizer, "chat_template", None))
        self._control = _control_pattern(tokenizer)
        self._anchor = self._render(ANCHOR) if self.chat else ANCHOR
        self._anchor_ids = self._encode(self._anchor)
        self.lead, turn_end = self._turn() if self.chat else (" ", None)
        end = tokenizer.eos_token_id
        self.end_ids: Ids = () if end is None else (end,)
        self._prompts: dict[str, Ids] = {}
        self._replies: dict[str, Ids] = {}
        self.stop_id = self._stop() if turn_end is None else turn_end
        # Byte-level vocabularies have tokens such as ".\n" and "\n\n", which end the line as well as the newline does.
        self.stop_texts = () if self.chat or self.stop_id in self.end_ids else ("\n",)

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
        text = self._harmless(text)
        if self.chat:
            return self._encode(self._render(text))
        ids = tuple(self.tokenizer.encode(text, add_special_tokens=True))
        return ids[:-1] if len(ids) > 1 and ids[-1] in self.end_ids else ids

    def _reply(self, text: str) -> Ids:
        if not text.strip():
            raise ModelError(f"a legal text is empty ({text!r}); every option needs at least one visible character")
        return self._continue(self.lead + self._harmless(text.strip()))

    def _harmless(self, text: str) -> str:
        """`text` with a space inside every control token that it spells, so that it is read as the words it is."""
        return self._control.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text) if self._control else text

    def _render(self, text: str, reply: str | None = None) -> str:
        """The template's text up to where the model's reply begins; with `reply`, of the whole exchange."""
        turns = [{"role": "user", "content": text}]
        if reply is not None:
            turns.append({"role": "assistant", "content": reply})
        try:
            rendered = self.tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=reply is None, enable_thinking=False
            )
        except TemplateError as error:
            raise ModelError(
                f"the tokenizer's chat template does not take a turn of the {turns[-1]['role']} ({error}); mend its "
                "chat_template, or delete it to use the model as a plain one"
            ) from error
        return str(rendered)

    def _turn(self) -> tuple[str, int | None]:
        """White space that the template puts before a reply, and the control token behind it (None without one)."""
        before, _, after = self._render(ANCHOR, SAMPLE).rpartition(SAMPLE)
        lead = before.removeprefix(self._anchor) if before.startswith(self._anchor) else ""
        control = self.tokenizer.added_tokens_decoder
        return "" if lead.strip() else lead, next((token for token in self._encode(after) if token in control), None)

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


def _control_pattern(tokenizer: Any) -> re.Pattern[str] | None:
    """What finds the tokenizer's control tokens in a text: special ones, and added ones that look like a tag."""
    added = tokenizer.added_tokens_decoder.values()
    names = {token.content for token in added if token.special or re.fullmatch(r"<\S+>|\[[A-Z_/]+\]", token.content)}
    longest_first = sorted((name for name in names if len(name) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def _cached(store: dict[str, Ids], text: str, encode: Callable[[str], Ids]) -> Ids:
    ids = store.get(text)
    if ids is None:
        if len(store) >= KEPT:
            store.clear()
        ids = store[text] = encode(text)
    return ids
