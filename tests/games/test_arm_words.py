import re
from typing import Any

import numpy as np
import pytest

from marl.games.arm_comparison import compare_arms
from marl.games.arm_words import comparison_sentences
from marl.games.empirical import EmpiricalGame
from marl.games.phrases import number

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?(%?)(?!\w)")
NAMES = [("stag 1", "hare"), ("stag 1", "hare")]
STAG = np.array([[[9.0, 0.0], [8.0, 7.0]], [[9.0, 8.0], [0.0, 7.0]]])
DILEMMA = np.array([[[3.0, 0.0], [4.0, 1.0]], [[3.0, 4.0], [0.0, 1.0]]])
MATCH = np.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])


def arm(payoffs: np.ndarray, noise: float, seed: int = 0) -> EmpiricalGame:
    rng = np.random.default_rng(seed)
    samples = {p: payoffs[(slice(None), *p)] + noise * rng.normal(size=(20, 2)) for p in np.ndindex(2, 2)}
    return EmpiricalGame(("row", "column"), NAMES, samples)


def record_of(**games: EmpiricalGame) -> dict[str, Any]:
    return compare_arms(games, (0, 0), rng=np.random.default_rng(0))


RECORDS = {
    "all": record_of(normal=arm(STAG, 1), off=arm(DILEMMA, 1, 1), scrambled=arm(STAG, 1, 2), deaf=arm(MATCH, 1, 3)),
    "noisy": record_of(normal=arm(STAG, 20), other=arm(DILEMMA, 20, 1)),
    "constant": record_of(normal=arm(DILEMMA, 0), off=arm(STAG, 0), deaf=arm(DILEMMA, 0)),
}
every_record = pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)


def recomputed(record: dict[str, Any]) -> dict[str, float]:
    """The numbers of the summary, from the record's other fields."""
    values: dict[str, float] = {"arms": len(record["arms"]), "confidence": record["confidence"]}
    learned = record["arms"][record["first"]]["learned"]["payoffs"]
    values |= {f"{player} payoff": paid for player, paid in zip(record["players"], learned, strict=True)}
    for name, held in record["differences"].items():
        welfare = held["welfare"]
        values |= {f"{name} welfare": welfare["mean"], f"{name} low": welfare["low"], f"{name} high": welfare["high"]}
        pure = held["pure"]
        values |= {
            f"{name} pure equilibria": len(record["arms"][record["first"]]["pure"]),
            f"{name} kept": len(pure["kept"]),
        }
        for kind in ("lost", "gained"):
            values[f"{name} {kind} more"] = len(pure[kind]) - 3
            for k, one in enumerate(pure[kind], start=1):
                values[f"{name} {kind} {k} regret"] = one["regret"]["low" if one["established"] else "high"]
        for kind in ("kept", "lost", "gained"):
            values[f"{name} {kind} sinks"] = len(held["sinks"][kind])
    return values


@every_record
def test_every_number_is_what_the_record_says(record: dict[str, Any]) -> None:
    expected = recomputed(record)
    for sentence in record["summary"]:
        assert {key: expected[key] for key in sentence["numbers"]} == sentence["numbers"]
        shown = {number(value) for value in sentence["numbers"].values()} | {"95%"}
        said = {match.group() for match in NUMBER.finditer(re.sub("“[^”]*”", "", sentence["text"]))}
        assert said <= shown


@every_record
def test_sentences_come_from_the_fields_only(record: dict[str, Any]) -> None:
    assert comparison_sentences(record) == record["summary"]


def text_of(name: str) -> str:
    return " ".join(sentence["text"] for sentence in RECORDS[name]["summary"])


def test_verdicts() -> None:
    text = text_of("all")
    assert "with the channel, with the channel off, with scrambled messages and with messages that nobody hears" in text
    assert re.search(r"with the channel minus with the channel off, is 1\d(\.\d+)? \(.*\), a gain", text)
    assert re.search("minus with scrambled messages, is [^)]*\\), which cannot be told from chance", text)
    assert "lost is (row “stag 1”, column “stag 1”) (with the channel off somebody gains at least" in text
    constant = text_of("constant")
    assert "minus with the channel off, is -12 (-12 to -12), a loss" in constant
    assert "minus with messages that nobody hears, is 0 in every episode" in constant
    assert (
        "new is (row “stag 1”, column “stag 1”) (with the channel somebody gains at least 1 by switching)" in constant
    )
    assert "the same sinks with messages that nobody hears as with the channel" in constant
    noisy = text_of("noisy")
    assert "in the arm “other”" in noisy
    assert "is not sure" in noisy


def test_the_name_of_an_arm_stays_as_it_is() -> None:
    record = record_of(**{"Loud Talk": arm(STAG, 0), "off": arm(STAG, 0)})
    assert "In the arm “Loud Talk”, the learned profile" in record["summary"][0]["text"]
