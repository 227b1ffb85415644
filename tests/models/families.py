"""Tiny random networks of the architectures that people load, each with the tokenizer of its kind.

Every network is the real transformers class, two layers wide 32, with weights large enough for logits that are not
flat and with noise on the norms and biases, which are ones and zeros otherwise and would hide how they are used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer, UnigramTrainer
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GemmaTokenizer,
    GPT2Tokenizer,
    GPTNeoXTokenizer,
    LlamaTokenizer,
    PreTrainedTokenizerFast,
    Qwen2Tokenizer,
)

LINES = [
    "scout_0: the stag is in the north valley",
    "Choose: north, south, east, west, hare",
    "Answer: north east\nSay: one two three\n",
]
WORDS = [word for line in LINES for word in line.splitlines()]
BYTES = [f"<0x{value:02X}>" for value in range(256)]
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
THINKING = CHATML.replace(
    "assistant\n{% endif %}",
    "assistant\n{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}",
)
TURNS = (
    "{{ bos_token }}{% for message in messages %}<start_of_turn>"
    "{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n{{ message['content'] | trim }}"
    "<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
INST = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "[INST] {{ message['content'] }} [/INST]{% else %} {{ message['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
COMMON = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
}
NO_GROUPS = {key: value for key, value in COMMON.items() if key not in ("num_key_value_heads", "head_dim")}


def _train(tokenizer: Tokenizer, trainer: Any, lines: list[str] = LINES) -> dict[str, Any]:
    tokenizer.train_from_iterator(lines * 20, trainer)
    model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    return model


def _sentencepiece(special: list[str]) -> dict[str, Any]:
    """{vocab, merges} of a BPE over "▁" words, with a piece for every byte: what sentencepiece makes."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = BpeTrainer(vocab_size=330, special_tokens=[*special, *BYTES], show_progress=False)
    model = _train(tokenizer, trainer, WORDS)
    return {"vocab": model["vocab"], "merges": [tuple(pair) for pair in model["merges"]]}


def _bytelevel(special: list[str]) -> dict[str, Any]:
    """{vocab, merges} of a BPE over bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=330, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    model = _train(tokenizer, trainer)
    return {"vocab": model["vocab"], "merges": [tuple(pair) for pair in model["merges"]]}


def llama_tokenizer(template: str | None = None) -> Any:
    """Byte fallback, begin-of-text token before every text, no pad token."""
    return LlamaTokenizer(**_sentencepiece(["<unk>", "<s>", "</s>"]), add_bos_token=True, chat_template=template)


def gemma_tokenizer(template: str | None = None) -> Any:
    """Byte fallback, begin-of-text token, pad token; a turn of a chat ends with a token that is not `eos_token`."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>", "\n"]
    made = GemmaTokenizer(**_sentencepiece(special), add_bos_token=True, chat_template=template)
    made.add_tokens([AddedToken(token, special=True, normalized=False) for token in special[5:7]])
    return made


def qwen_tokenizer(template: str | None = CHATML) -> Any:
    """Bytes, no begin-of-text token, chat template, pad token."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    made = Qwen2Tokenizer(**_bytelevel(special), eos_token="<|im_end|>", chat_template=template)
    made.add_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return made


def gpt2_tokenizer() -> Any:
    """Bytes, one special token, no pad token."""
    return GPT2Tokenizer(**_bytelevel(["<|endoftext|>"]))


def opt_tokenizer() -> Any:
    """Bytes; the token that begins a text is the one that ends it."""
    ends = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"}
    return GPT2Tokenizer(**_bytelevel(["<pad>", "</s>"]), **ends, add_bos_token=True)


def neox_tokenizer() -> Any:
    """Bytes, one special token and a pad token."""
    return GPTNeoXTokenizer(**_bytelevel(["<|endoftext|>", "<|padding|>"]))


def llama3_tokenizer() -> Any:
    """Bytes with a begin-of-text token: what Llama 3 made of it."""
    bytelevel = _bytelevel(["<s>", "</s>"])
    tokenizer = Tokenizer(models.BPE(**bytelevel))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


def unigram_tokenizer() -> Any:
    """Unigram pieces with byte fallback, begin-of-text token, no pad token."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    special = ["<unk>", "<s>", "</s>"]
    trainer = UnigramTrainer(
        vocab_size=200, special_tokens=[*special, *BYTES], unk_token="<unk>", show_progress=False, max_piece_length=8
    )
    learned = _train(tokenizer, trainer, WORDS)["vocab"]
    order = len(special) + len(BYTES)  # behind them the trainer's order changes from run to run
    pieces = [tuple(piece) for piece in learned[:order]]
    pieces += sorted((piece, round(score, 4)) for piece, score in learned[order:])
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token=None
    )


def lossy_tokenizer() -> Any:
    """Bytes behind a normalizer that lowers case and strips: text does not give back the tokens it came from."""
    tokenizer = Tokenizer(models.BPE(**_bytelevel(["<s>", "</s>"])))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.NFKC()])
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


@dataclass(frozen=True)
class Family:
    """An architecture: `kind` and `settings` of its configuration, its tokenizer, and what follows from them."""

    kind: str
    tokenizer: Callable[[], Any]
    settings: dict[str, Any] = field(default_factory=dict)
    context: int = 128
    fast: bool = True
    """Whether it takes tree masks and kept keys and values; if not, every sequence is read as a row of its own."""
    padded: int = 0
    """Rows of the embedding that no token of the tokenizer has (networks round their vocabulary up)."""

    def network(self, tokenizer: Any, seed: int = 0, **changes: Any) -> Any:
        """The network for a tokenizer's vocabulary, drawn from `seed`, with `changes` to its settings."""
        torch.manual_seed(seed)
        tokens = {key: getattr(tokenizer, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
        size = {"vocab_size": len(tokenizer) + self.padded}
        config = AutoConfig.for_model(self.kind, **{**self.settings, **size, **tokens, **changes})
        made = AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for parameter in made.parameters():
                if parameter.ndim == 1:
                    parameter.add_(0.2 * torch.randn(parameter.shape))
        return made

    def save(self, folder: Path) -> Path:
        """Write network and tokenizer to `folder`."""
        tokenizer = self.tokenizer()
        self.network(tokenizer).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder


def _sliding(*layers: str) -> dict[str, Any]:
    return {"layer_types": [f"{layer}_attention" for layer in layers]}


_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128, "initializer_range": 0.3}
_GEMMA2 = {"query_pre_attn_scalar": 8, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0}
_OPT = {"ffn_dim": 48, "init_std": 0.3, "word_embed_proj_dim": 32, "dropout": 0.1}
_BLOOM = {"hidden_size": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.3}
_GPT_NEO = {
    "hidden_size": 32,
    "num_layers": 2,
    "num_heads": 4,
    "attention_types": [[["global", "local"], 1]],
    "window_size": 48,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
}

FAMILIES: dict[str, Family] = {
    "llama": Family("llama", llama_tokenizer, COMMON),
    "llama3": Family("llama", llama3_tokenizer, {**COMMON, "tie_word_embeddings": True}),
    "qwen2": Family("qwen2", qwen_tokenizer, COMMON, padded=5),
    "qwen3": Family("qwen3", lambda: qwen_tokenizer(THINKING), COMMON),
    "gemma": Family("gemma", gemma_tokenizer, COMMON),
    "gemma2": Family(
        "gemma2",
        gemma_tokenizer,
        {**COMMON, **_GEMMA2, **_sliding("sliding", "full"), "sliding_window": 12},
    ),
    "gemma3": Family(
        "gemma3_text",
        lambda: gemma_tokenizer(TURNS),
        {**COMMON, **_sliding("sliding", "full"), "sliding_window": 12, "query_pre_attn_scalar": 8},
    ),
    "mistral": Family("mistral", lambda: llama_tokenizer(INST), {**COMMON, "sliding_window": None}),
    "mistral-window": Family("mistral", unigram_tokenizer, {**COMMON, "sliding_window": 16}),
    "gpt2": Family("gpt2", gpt2_tokenizer, _GPT2),
    "gpt-neox": Family("gpt_neox", neox_tokenizer, {**NO_GROUPS, "rotary_pct": 0.25}),
    "phi": Family("phi", gpt2_tokenizer, {**NO_GROUPS, "partial_rotary_factor": 0.5}),
    "opt": Family("opt", opt_tokenizer, {**NO_GROUPS, **_OPT}),
    "bloom": Family("bloom", gpt2_tokenizer, _BLOOM, context=2**31, fast=False),
    "gpt-neo": Family("gpt_neo", gpt2_tokenizer, _GPT_NEO, context=48, fast=False),
    "lfm2": Family("lfm2", llama3_tokenizer, {**COMMON, "layer_types": ["conv", "full_attention"]}, fast=False),
}
"""By name."""

LEARNED_POSITIONS = ("gpt2", "opt", "gpt-neo")


def save_all(root: Path, names: Iterable[str] = tuple(FAMILIES)) -> dict[str, Path]:
    """Write the families to folders below `root`."""
    return {name: FAMILIES[name].save(root / name) for name in names}
