"""Tokenizers of every way to spell a text, small enough to try each of their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.trainers import BpeTrainer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from marl.models.loading import NANO
from marl.models.texts import Texts

SPECIAL = ["<unk>", "</s>"]
BYTES = [f"<0x{value:02X}>" for value in range(256)]
PIECES = ["▁Answer", ":", "▁", "▁a", "ab", "b▁c", "é", "▁north", "nor", "th"]


def finish(tokenizer: Tokenizer) -> Any:
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>")


@cache
def bytelevel() -> Any:
    """BPE over bytes, with merges across half characters; "\\n" is a token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=300, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([" ab abc\n\n north éé ✓ bé c a\n"] * 9, trainer)
    return finish(tokenizer)


def unigram(pieces: Sequence[str]) -> Any:
    """Unigram pieces in which "▁" is the space; with `BYTES` among them, everything can be spelled."""
    order = list(dict.fromkeys([*SPECIAL, *pieces]))
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in order], 0, "<0x00>" in order))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return finish(tokenizer)


@cache
def fallback() -> Any:
    """Unigram with a piece for every byte."""
    return unigram([*PIECES, *"abcé", *BYTES])


@cache
def gapped() -> Any:
    """Unigram that knows some characters only, with the Metaspace decoder."""
    made = unigram([*PIECES, *"abcnorthAswe"])
    made.backend_tokenizer.decoder = decoders.Metaspace()
    return made


@cache
def words() -> Any:
    """Whole words only, with no decoder."""
    order = [*SPECIAL, "Answer:", "north", "south", "or", "a"]
    tokenizer = Tokenizer(models.WordLevel({word: token for token, word in enumerate(order)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return finish(tokenizer)


@cache
def wordpiece() -> Any:
    """Word beginnings and "##" rests: "n" and "##o" begin "north", but nothing ends it."""
    order = [*SPECIAL, "Answer", ":", "north", "n", "##o", "##ern"]
    tokenizer = Tokenizer(models.WordPiece({word: token for token, word in enumerate(order)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Whitespace(), decoders.WordPiece()
    return finish(tokenizer)


@cache
def nano() -> Any:
    """The packaged model's: BPE with byte fallback and spaces as they are."""
    return AutoTokenizer.from_pretrained(NANO)


@cache
def stop_ids(tokenizer: Any) -> frozenset[int]:
    """The tokens that end a reply: as in `LanguageModel.say`."""
    return frozenset({Texts(tokenizer).stop_id, tokenizer.eos_token_id})


COMPLETE = {"bytelevel": bytelevel, "fallback": fallback, "nano": nano}
"""Those that spell every text."""

ALL = COMPLETE | {"gapped": gapped, "words": words, "wordpiece": wordpiece}
