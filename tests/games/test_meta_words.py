import re
from typing import Any

import numpy as np
import pytest

from marl.games.empirical import EmpiricalGame
from marl.games.meta_game import meta_game
from marl.games.meta_words import meta_sentences
from marl.games.phrases import number

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?(%?)(?!\w)")


def record_of(kind: str, noise: float, size: int = 2, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    names = {"a_0": ("talk", "mute"), "b 1": ("talk", "mute")[:size], "c": ("talk", "mute")}
    shape = tuple(map(len, names.values()))
    samples = {p: rng.integers(0, 4, 3) + noise * rng.normal(size=(12, 3)) for p in np.ndindex(shape)}
    return meta_game(EmpiricalGame.from_samples(names, samples), kind, rng=rng)


RECORDS = [record_of("talk_or_mute", 0.5), record_of("truthful_or_lying", 0, 1), record_of("other 2", 3.0, 2, 5)]


@pytest.mark.parametrize("record", RECORDS, ids=["noisy", "constant", "very noisy"])
def test_every_number_is_what_the_record_says(record: dict[str, Any]) -> None:
    expected = {
        "confidence": record["confidence"],
        "pure equilibria": len(record["pure"]),
        "more pure equilibria": len(record["pure"]) - 3,
        "mixed equilibria": len(record["mixed"]),
    }
    for one in record["switches"]:
        expected |= {f"{one['player']} {one['strategy']} {key}": one[key] for key in ("gain", "low", "high")}
    expected |= {f"pure {k} epsilon": value for k, value in enumerate(record["pure_epsilon"], start=1)}
    for sentence in record["verdict"]:
        assert {key: expected[key] for key in sentence["numbers"]} == sentence["numbers"]
        shown = {number(value) for value in sentence["numbers"].values()} | {"95%"}
        said = {match.group() for match in NUMBER.finditer(re.sub("“[^”]*”", "", sentence["text"]))}
        assert said <= shown
    assert meta_sentences(record) == record["verdict"]


def test_each_kind_has_its_question() -> None:
    questions = [record["verdict"][0]["text"] for record in RECORDS]
    assert "go out (“talk”) or reach nobody (“mute”)" in questions[0]
    assert "heard as sent (“truthful”)" in questions[1]
    assert "the game “other 2”" in questions[2]
    assert all("nobody adapts" in question for question in questions)


def test_what_was_not_played_is_not_called_an_equilibrium() -> None:
    names = {"a": ("talk", "mute"), "b": ("talk", "mute")}
    samples = {p: np.tile(float(sum(p)) - np.array([[1.0, 1.0]]), (3, 1)) * -1 for p in ((0, 0), (0, 1), (1, 1))}
    found = meta_game(EmpiricalGame.from_samples(names, samples), "talk_or_mute", rng=np.random.default_rng(0))
    texts = [sentence["text"] for sentence in found["verdict"]]
    assert texts[1].startswith("Whether (a “talk”, b “talk”) is an equilibrium is not known, as not every switch was")
    assert "what “mute” changes for a is unknown, as it was not played" in texts[2]
