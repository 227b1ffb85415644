from __future__ import annotations

import re
from typing import Any

import pytest

from marl.games.convergence_words import convergence_sentences
from marl.games.phrases import number


def record(**changes: Any) -> dict[str, Any]:
    steps = [
        {"from": 0, "to": 5, "mean": 0.4, "low": 0.35, "high": 0.45},
        {"from": 5, "to": 12, "mean": 0.1234, "low": 0.08, "high": 0.17},
    ]
    bounds = [{"iteration": k, "mean": k / 20, "low": k / 25, "high": k / 16} for k in (14, 5, 3)]
    found = {
        "iterations": [0, 5, 12],
        "tolerance": 0.05,
        "confidence": 0.95,
        "steps": steps,
        "net": {"from": 0, "to": 12, "mean": 0.31, "low": 0.22, "high": 0.4},
        "pairs": {"all": 3, "later_gains": 2, "later_loses": 0},
        "circles": [],
        "returns": [],
        "nash_conv": {"exact": [], "lower_bound": bounds},
        "verdict": "moves",
    }
    return {**found, **changes}


def said(**changes: Any) -> str:
    return " ".join(sentence["text"] for sentence in convergence_sentences(record(**changes)))


EXACT = {"exact": [{"iteration": 0, "value": 1.5}, {"iteration": 9, "value": 0.25}], "lower_bound": []}
TURNING = {"circles": [[0, 5, 12]], "returns": [[0, 5, 12]], "verdict": "cycles"}


@pytest.mark.parametrize("changes", [{}, TURNING, {"nash_conv": EXACT}])
def test_every_number_in_the_text_is_one_of_the_records(changes: dict[str, Any]) -> None:
    for sentence in convergence_sentences(record(**changes)):
        known = {number(value) for value in sentence["numbers"].values()}
        known |= {f"{number(round(100 * value, 10))}%" for value in sentence["numbers"].values()}
        told = sentence["text"].replace("which is 0 for the same play and 1 for", "").replace("alone, 0 at", "")
        for token in re.findall(r"-?\d+(?:\.\d+)?%?", told):
            assert token in known, (token, sentence)


def test_what_is_said() -> None:
    assert "Play still moves. From iteration 0 to 12" in said()
    assert "the largest, from iteration 0 to 5, was 0.40 (0.35 to 0.45); the last was 0.12" in said()
    assert "gain in 2 of 3 pairs, lose in 0, and in 1 the episodes do not tell" in said()
    assert "0.70 (0.56 to 0.88) at the first checkpoint and 0.15 (0.12 to 0.19) at the last: lower bounds" in said()
    assert "No circle of checkpoints" in said()


def test_circles_returns_and_exact_values_are_said() -> None:
    text = said(**TURNING, nash_conv=EXACT)
    assert "goes round in circles" in text
    assert "came back 1 time: for example it had left what it was at iteration 0 by iteration 5" in text
    assert "in a circle among the checkpoints after iterations 0, 5 and 12" in text
    assert "went from 1.50 at iteration 0 to 0.25 at iteration 9" in text
    assert "lower bounds" not in text


@pytest.mark.parametrize(("verdict", "words"), [("converged", "has converged"), ("undecided", "is undecided")])
def test_every_verdict_has_its_words(verdict: str, words: str) -> None:
    assert words in said(verdict=verdict)
