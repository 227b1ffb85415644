"""The packaged nano model is what its card says, and knows no game."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import marl.models
from marl.models import LanguageModel

FOLDER = Path(marl.models.__file__).parent / "nano"
SCRIPTS = Path(__file__).parents[2] / "scripts"
ENVS = ("scout_hunt", "stag_hunt", "lewis")


@pytest.fixture(scope="module")
def nano() -> LanguageModel:
    return LanguageModel.load("nano")


@pytest.fixture(scope="module")
def corpus() -> Any:
    sys.path.insert(0, str(SCRIPTS))
    try:
        import nano_corpus
        import nano_skills

        yield nano_corpus, nano_skills
    finally:
        sys.path.remove(str(SCRIPTS))


def test_it_is_a_small_llama_in_safetensors(nano: LanguageModel) -> None:
    parameters = sum(p.numel() for p in nano.network.parameters())
    assert type(nano.network).__name__ == "LlamaForCausalLM"
    assert parameters <= 1_000_000
    assert f"{parameters:,} parameters" in (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in FOLDER.iterdir() if path.suffix in {".bin", ".pt", ".pth"}] == []
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 4_000_000


_TOKENIZER = LanguageModel.load("nano").tokenizer


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_survives_the_tokenizer(text: str) -> None:
    ids = _TOKENIZER(text, add_special_tokens=False)["input_ids"]
    assert _TOKENIZER.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False) == text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=10), st.text(max_size=10))
def test_a_line_break_is_a_token_of_its_own(before: str, after: str) -> None:
    (line_break,) = _TOKENIZER("\n", add_special_tokens=False)["input_ids"]
    ids = _TOKENIZER(f"{before}\n{after}", add_special_tokens=False)["input_ids"]
    assert ids.count(line_break) == f"{before}\n{after}".count("\n")


def test_ordinary_words_are_one_token_with_their_space() -> None:
    for word in ("north", "stag", "hare", "red", "lamp", "choose", "box"):
        assert len(_TOKENIZER(f" {word}", add_special_tokens=False)["input_ids"]) == 1


def test_scratch_is_the_same_network_untrained(nano: LanguageModel) -> None:
    scratch = LanguageModel.load("scratch", seed=3)
    assert {k: v.shape for k, v in scratch.network.state_dict().items()} == {
        k: v.shape for k, v in nano.network.state_dict().items()
    }
    assert scratch.encode_prompt("You see: red.\nSay:") == nano.encode_prompt("You see: red.\nSay:")


def test_it_reads_says_and_picks_far_better_than_its_untrained_copy(nano: LanguageModel, corpus: Any) -> None:
    _, skills = corpus
    trained = skills.measure(skills.Reader(nano.network, nano.tokenizer), 40, seed=7, held_out=False)
    untrained = LanguageModel.load("scratch", seed=0)
    control = skills.measure(skills.Reader(untrained.network, untrained.tokenizer), 40, seed=7, held_out=False)
    for skill in ("choose/seen", "choose/told", "choose/both", "choose/told_made_up_word"):
        assert trained[skill] > control[skill] + 0.3, skill
    for skill in ("say/seen_true", "question/accuracy", "lookup/accuracy", "copy/accuracy", "instruction/accuracy"):
        assert trained[skill] > control[skill] + 0.3, skill
    assert trained["choose/none"] == pytest.approx(trained["choose/chance"], abs=0.12), "nothing told, nothing known"


def test_the_corpus_holds_no_game(corpus: Any) -> None:
    import importlib
    import random

    maker, _ = corpus
    rng = random.Random(5)
    documents = ["".join(text for text, _ in maker.draw_document(rng, k / 3000)) for k in range(3000)]
    text = "\n".join(documents)
    for name in ENVS:
        env = importlib.import_module(f"envs.{name}").parallel_env()
        env.reset(seed=0)
        for agent in env.possible_agents:
            sentences = [part.strip() for part in re.split(r"(?<=[.:])\s", env.rules(agent)) if len(part.split()) > 3]
            assert sentences
            assert not [sentence for sentence in sentences if sentence in text]
    assert not re.search(r"[Hh]are: \d+ for sure|[Bb]oth stag|[Bb]oth hunters in its valley", text)
