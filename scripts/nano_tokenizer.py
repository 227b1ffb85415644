"""The nano model's tokenizer: byte-fallback BPE in which an ordinary word with its leading space is one token."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

UNKNOWN, BEGIN, END, PAD = "<unk>", "<s>", "</s>", "<pad>"
SPECIAL = (UNKNOWN, BEGIN, END, PAD)
BYTES = tuple(f"<0x{k:02X}>" for k in range(256))
# A newline, or any other white space, stands alone; a word, a digit or a mark takes one leading space with it.
PIECES = r"\n| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]|\s"
CONTEXT = 512


def _pieces() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Split(Regex(PIECES), behavior="isolated")


def train_tokenizer(words: Sequence[str], starters: Sequence[str]) -> PreTrainedTokenizerFast:
    """A tokenizer with one token for " word" of every word and for every starter (a word that begins a line).

    Spaces stay spaces (no marker character), so that any text decodes to itself; text that looks like a special token
    is read as plain text.
    """
    trainee = Tokenizer(models.BPE())
    trainee.pre_tokenizer = _pieces()
    alphabet = ["\n", "\t", *map(chr, range(32, 127))]
    lines = [f" {w}" for w in words for _ in range(8)] + list(starters) * 8
    size, trained = len(alphabet), None
    while trained is None or any(len(trainee.encode(text).ids) > 1 for text in set(lines)):
        size += 64
        trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False, min_frequency=1)
        trainee.train_from_iterator(lines, trainer)
        trained = trainee.get_vocab_size()
        if trained < size:
            break
    return _wrap(trainee)


def _wrap(trainee: Tokenizer) -> PreTrainedTokenizerFast:
    import json

    model = json.loads(trainee.to_str())["model"]
    learned = sorted(model["vocab"], key=model["vocab"].__getitem__)
    vocab = {piece: k for k, piece in enumerate([*SPECIAL, *BYTES, *learned])}
    merges = [tuple(m) for m in model["merges"]]
    bpe = Tokenizer(models.BPE(vocab, merges, unk_token=UNKNOWN, byte_fallback=True, fuse_unk=False))
    bpe.pre_tokenizer = _pieces()
    bpe.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    bpe.post_processor = processors.TemplateProcessing(single=f"{BEGIN} $A", special_tokens=[(BEGIN, vocab[BEGIN])])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        unk_token=UNKNOWN,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
        split_special_tokens=True,
        padding_side="left",
    )
