"""Views as a rollout makes them, and a tiny random language model on disk."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from marl.text import act_prompt, talk_prompt
from marl.types import Message, View

RULES = "Two hunters look for a stag. Both in its valley: 10 each. Hare: 5. Alone or elsewhere: 0."
DESCRIPTION = "You see: the stag is in the north valley."
OPTIONS = ("north", "south", "north east", "hare")


def message(sender: str, text: str, round: int = 0) -> Message:
    return Message(sender, text, text, 0, round, ("scout_0", "partner_0"))


@pytest.fixture
def make_view():
    """(phase, options, inbox, seed, ...) -> a View with the prompt that the rollout would write."""

    def make(phase="act", *, options=OPTIONS, inbox=(), description=DESCRIPTION, seed=0, budget=8) -> View:
        if phase == "talk":
            options = () if options is OPTIONS else options
            prompt = talk_prompt(RULES, description, inbox, options)
        else:
            prompt = act_prompt(RULES, description, inbox, options)
        return View("scout_0", phase, prompt, options, budget, None, tuple(inbox), np.random.default_rng(seed))

    return make


@pytest.fixture
def views(make_view):
    """All kinds of view that a policy may meet, in one batch."""
    heard = (message("scout_0", "here"), message("partner_0", "go south"))
    return [
        make_view("talk", seed=1),
        make_view("act", seed=2),
        make_view("act", seed=3, inbox=heard),
        make_view("talk", seed=4, options=("ba", "du"), description=""),
        make_view("talk", seed=5, inbox=heard, budget=3),
        make_view("act", seed=6, options=("south", "hare"), description="You see no stag."),
    ]


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved two-layer Llama with random weights and a byte-level tokenizer."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(["<s>", "</s>", *alphabet])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(alphabet) + 2,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=512,
        initializer_range=0.3,
    )
    folder = tmp_path_factory.mktemp("model")
    LlamaForCausalLM(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    return folder
