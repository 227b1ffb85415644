"""What the tokens of a vocabulary spell, as bytes: also those that hold half a character."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from marl.models.texts import ANCHOR

_PRINTED = (*range(33, 127), *range(161, 173), *range(174, 256))
_BYTE_OF = {chr(byte): byte for byte in _PRINTED} | {
    chr(256 + rank): byte for rank, byte in enumerate(sorted({*range(256)} - {*_PRINTED}))
}
"""The characters that byte-level tokenizers write for bytes: GPT-2's table."""


@lru_cache(maxsize=8)
def spelling(tokenizer: Any, size: int | None = None) -> tuple[bytes, ...]:
    """The bytes that each token adds to a reply, by id; none for special tokens and unused ids.

    Spaces in front count, as a token has them in the middle of a text. The ids go to the tokenizer's last one, or to
    `size` - 1, as the network's vocabulary may be padded.
    """
    added = {token for token, piece in tokenizer.added_tokens_decoder.items() if piece.special}
    silent = added.union(tokenizer.all_special_ids)
    end = 1 + max(tokenizer.get_vocab().values())
    known = range(end if size is None else min(size, end))
    plain = {"skip_special_tokens": False, "clean_up_tokenization_spaces": False}
    anchor = tokenizer.encode(ANCHOR, add_special_tokens=False)
    stem = tokenizer.decode(anchor, **plain)
    pieces = tokenizer.convert_ids_to_tokens(list(known))
    texts = tokenizer.batch_decode([[*anchor, token] for token in known], **plain)
    spelled = [
        b"" if token in silent or not text.startswith(stem) else _bytes(piece or "", text[len(stem) :])
        for token, piece, text in zip(known, pieces, texts, strict=True)
    ]
    return (*spelled, *[b""] * ((size or 0) - len(known)))


def _bytes(piece: str, text: str) -> bytes:
    """The bytes of a token that is called `piece` and decodes to `text`."""
    if "\ufffd" not in text:
        return text.encode()
    if re.fullmatch(r"<0x[0-9A-F]{2}>", piece):
        return bytes([int(piece[3:5], 16)])
    return bytes(_BYTE_OF[letter] for letter in piece) if _BYTE_OF.keys() >= set(piece) else text.encode()
