"""Tiny random networks of real classes, saved to disk and loaded by path."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.trainers import BpeTrainer
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from marl.models import LanguageModel

sys.path.insert(0, str(Path(__file__).parent))

from exact import make_exact
from families import FAMILIES, save_all

TEXT = [
    "scout_0: the stag is in the north valley",
    "Choose: north, south, east, west, hare",
    "Answer: north east\nSay: one two three\n",
]
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def make_tokenizer(*, bos: bool = False, chat: bool = False) -> PreTrainedTokenizerFast:
    """Byte-level BPE of about 330 tokens; `bos` puts <s> before every text, `chat` adds a chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=330,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT * 20, trainer)
    if bos:
        from tokenizers.processors import TemplateProcessing

        tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    if chat:
        fast.chat_template = TEMPLATE
    return fast


def make_llama(vocabulary: int, seed: int = 0) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        initializer_range=0.3,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=1,
    )
    return LlamaForCausalLM(config)


def make_gpt2(vocabulary: int, seed: int = 0) -> GPT2LMHeadModel:
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=vocabulary,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=128,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=1,
    )
    return GPT2LMHeadModel(config)


MAKERS = {"llama": make_llama, "gpt2": make_gpt2}


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Saved models by kind: llama, gpt2, bos (llama with a begin-of-text token), chat (llama with a template)."""
    root = tmp_path_factory.mktemp("models")
    for kind in ("llama", "gpt2", "bos", "chat"):
        tokenizer = make_tokenizer(bos=kind == "bos", chat=kind == "chat")
        MAKERS.get(kind, make_llama)(len(tokenizer)).save_pretrained(root / kind)
        tokenizer.save_pretrained(root / kind)
    return {path.name: path for path in root.iterdir()}


@pytest.fixture(params=["llama", "gpt2"])
def model(request: pytest.FixtureRequest, folders: dict[str, Path]) -> LanguageModel:
    """A float32 model of each family."""
    return LanguageModel.load(str(folders[request.param]))


@pytest.fixture(params=["llama", "gpt2"])
def exact_model(request: pytest.FixtureRequest, folders: dict[str, Path]) -> LanguageModel:
    """A float64 model of each family."""
    loaded = LanguageModel.load(str(folders[request.param]))
    return LanguageModel(make_exact(loaded.network), loaded.tokenizer, "float64")


@pytest.fixture(scope="session")
def family_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The saved models of every family in `families`, by name."""
    return save_all(tmp_path_factory.mktemp("families"))


@pytest.fixture(scope="session", params=list(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    """The name of each family."""
    return request.param


@pytest.fixture(scope="session")
def family_model(family: str, family_folders: dict[str, Path]) -> LanguageModel:
    """A float32 model of each family, loaded by its folder; shared, so leave it as it is."""
    return LanguageModel.load(str(family_folders[family]))


@pytest.fixture(scope="session")
def exact_family(family: str, family_folders: dict[str, Path]) -> LanguageModel:
    """A float64 model of each family; shared, so leave it as it is."""
    loaded = LanguageModel.load(str(family_folders[family]))
    return LanguageModel(make_exact(loaded.network), loaded.tokenizer, f"{family} in float64")


@pytest.fixture
def llama(folders: dict[str, Path]) -> LanguageModel:
    return LanguageModel.load(str(folders["llama"]))


@pytest.fixture
def plain_log_probs():
    """(network, prefix ids) -> next-token log-probabilities [V] from one unpadded, uncached row: the plain truth."""

    def compute(network, prefix, temperature=1.0):
        logits = network(input_ids=torch.tensor([list(prefix)])).logits[0, -1]
        return (logits / temperature).log_softmax(-1)

    return compute


@pytest.fixture
def ragged():
    """(count, seed) -> prompts of 1 to 40 token ids with shared beginnings and repeats."""

    def make(count: int, seed: int = 0) -> list[tuple[int, ...]]:
        rng = np.random.default_rng(seed)
        stems = [tuple(rng.integers(2, 300, rng.integers(1, 25)).tolist()) for _ in range(3)]
        prompts = [
            stems[rng.integers(3)] + tuple(rng.integers(2, 300, rng.integers(0, 16)).tolist()) for _ in range(count)
        ]
        return [prompts[rng.integers(len(prompts))] if rng.random() < 0.3 else prompt for prompt in prompts]

    return make


@pytest.fixture
def bare(family, family_folders):
    """The family's network as transformers loads it."""
    return AutoModelForCausalLM.from_pretrained(family_folders[family]).eval()
