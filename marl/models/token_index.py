"""A tokenizer's vocabulary as llguidance needs it, and what texts it can spell at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from marl.models.spelling import spelling

if TYPE_CHECKING:
    from llguidance import LLTokenizer


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """A vocabulary of V tokens; `stop_ids` end a reply.

    `limit`: a Lark expression for the texts that the tokens can spell, None where that is every text. `gaps`: whether
    some character cannot be spelled by itself, the line break apart where that is a stop token; `pieces`: whether some
    can be spelled as part of a longer token only.
    """

    index: LLTokenizer
    size: int
    stop_ids: frozenset[int]
    limit: str | None
    gaps: bool
    pieces: bool


@lru_cache(maxsize=8)
def index_tokens(tokenizer: Any, size: int, stop_ids: frozenset[int]) -> Tokens:
    """The vocabulary of `tokenizer`, padded to `size`. Where the line break ends a reply no other token spells it."""
    from llguidance import LLTokenizer, TokenizerWrapper

    spelled = spelling(tokenizer, size)
    one_line = any(spelled[token] == b"\n" for token in stop_ids)
    kept = [b"" if token in stop_ids or (one_line and b"\n" in text) else text for token, text in enumerate(spelled)]
    index = LLTokenizer(TokenizerWrapper(_Vocabulary(tokenizer, kept, stop_ids)), eos_token=sorted(stop_ids))
    characters = spelled_characters(kept)
    pieces = unspelled_pieces(kept, characters)
    limit = None if characters.all() else lark_terminal(characters, pieces)
    gaps = np.count_nonzero(~characters) > (one_line and not characters[ord("\n")])
    return Tokens(index, size, stop_ids, limit, bool(gaps), bool(pieces))


class _Vocabulary:
    """What llguidance asks of a tokenizer that is not its own."""

    def __init__(self, tokenizer: Any, spelled: Sequence[bytes], stop_ids: frozenset[int]) -> None:
        self.bos_token_id = None
        self.eos_token_id = min(stop_ids)
        self.special_token_ids = sorted(stop_ids)
        self.tokens = [b"<stop>" if token in stop_ids else text for token, text in enumerate(spelled)]
        self._tokenizer = tokenizer

    def __call__(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))


def spelled_characters(tokens: Sequence[bytes]) -> np.ndarray:
    """[0x110000] bool: the code points that are a token by themselves, or all of whose UTF-8 bytes are.

    The surrogates, which are no characters, count where both of their neighbors do.
    """
    single = np.zeros(256, dtype=bool)
    single[[token[0] for token in tokens if len(token) == 1]] = True
    code = np.arange(0x110000)
    last, third, second = (single[0x80 | code >> shift & 0x3F] for shift in (0, 6, 12))
    spelled = np.select(
        [code < 0x80, code < 0x800, code < 0x10000],
        [single[code & 0x7F], single[0xC0 | code >> 6 & 0x1F] & last, single[0xE0 | code >> 12 & 0x0F] & third & last],
        single[0xF0 | code >> 18] & second & third & last,
    )
    spelled[[ord(text) for text in _texts(tokens) if len(text) == 1]] = True
    spelled[0xD800:0xE000] = spelled[0xD7FF] & spelled[0xE000]
    return spelled


def unspelled_pieces(tokens: Sequence[bytes], spelled: np.ndarray) -> list[str]:
    """The texts among `tokens` that hold a character which is not in `spelled` [0x110000], sorted."""
    return sorted(text for text in _texts(tokens) if not spelled[[ord(letter) for letter in text]].all())


def lark_terminal(spelled: np.ndarray, pieces: Sequence[str]) -> str:
    """A Lark expression for all texts of the characters in `spelled` [0x110000] and of whole `pieces`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], spelled, [False]]))).reshape(-1, 2)
    ranges = "".join(f"\\x{{{first:x}}}-\\x{{{end - 1:x}}}" for first, end in edges.tolist())
    parts = [f"/[{ranges}]/"] * bool(ranges) + [json.dumps(piece, ensure_ascii=False) for piece in pieces]
    return f"({' | '.join(parts)})*"


def _texts(tokens: Sequence[bytes]) -> set[str]:
    """What whole texts there are among `tokens`."""
    decoded = ((token, token.decode(errors="ignore")) for token in set(tokens))
    return {text for token, text in decoded if text and text.encode() == token}
