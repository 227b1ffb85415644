"""Words about concepts; that their numbers are right and come from fields only is tested with the whole summary."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from marl.games.concept_words import concept_sentences, label

ANALYSIS: dict[str, Any] = {
    "game": {"players": ["a", "b"], "strategies": [["stag", "hare"]] * 2},
    "concepts": {
        "confidence": 0.9,
        "left_out": [],
        "missing": [],
        "wanted": 50,
        "draws": {"welfare": 50, "correlated": 12},
        "symmetry": None,
        "solution": {"notes": {"security": "stopped after 3 s"}, "prices_are": "bounds"},
        "claims": [
            {"concept": "welfare", "claim": "pareto_efficient", "profile": p, "holds": True, "probability": 0.5}
            for p in ([0, 0], [0, 1], [1, 0], [1, 1])
        ],
        "numbers": [
            {"concept": "prices", "number": number, "estimate": 2.0, "low": 1.5, "high": 3.0, "defined": 0.9}
            for number in ("price_of_anarchy", "price_of_stability")
        ],
    },
}  # fmt: skip


def texts(analysis: dict[str, Any]) -> list[str]:
    return [sentence["text"] for sentence in concept_sentences(analysis)]


def test_nothing_is_said_without_concepts() -> None:
    assert concept_sentences({"game": ANALYSIS["game"]}) == []


def test_shares_intervals_and_what_time_did_not_allow_are_told() -> None:
    draws, pareto, prices, note, few = texts(ANALYSIS)
    assert "50 games drawn from what the episodes leave possible" in draws
    assert "are (a “stag”, b “stag”) (50%)" in pareto
    assert pareto.endswith("and 1 more.")
    assert prices.count("2 (1.50 to 3, undefined in 10%)") == 2
    assert prices.endswith("both bounds, as equilibria may be missing.")
    assert note == "No answer for “security”: “stopped after 3 s”."
    assert few.endswith("but for so many of “correlated” (12).")


@pytest.mark.parametrize(
    ("wanted", "start"), [(0, "The concepts that follow are told of the mean payoffs alone"), (1, "Pareto efficient")]
)
def test_without_draws_nothing_is_said_of_them(wanted: int, start: str) -> None:
    analysis = copy.deepcopy(ANALYSIS)
    analysis["concepts"].update(wanted=wanted, draws={})
    first, *others = texts(analysis)
    assert first.startswith(start)
    assert not any("(50%)" in text for text in others)


def test_missing_profiles_are_named() -> None:
    analysis = copy.deepcopy(ANALYSIS)
    nothing = {"solution": None, "claims": [], "numbers": [], "wanted": 0, "draws": {}}
    analysis["concepts"].update(nothing, left_out=["mixed", "ess"], missing=[[0, 0], [0, 1], [1, 0], [1, 1]])
    (text,) = texts(analysis)
    assert "(“mixed” and “ess”): nothing is known of (a “stag”, b “stag”)" in text
    assert text.endswith("and 1 more.")


def test_where_nothing_is_stable_it_is_said_how_sure_that_is() -> None:
    analysis = copy.deepcopy(ANALYSIS)
    concepts = analysis["concepts"]
    concepts["symmetry"] = {"fits": True, "largest_gap": 0.5, "margin": 1.25}
    concepts["solution"]["ess"] = []
    nothing = {"concept": "ess", "claim": "nothing_evolutionarily_stable", "holds": True, "probability": 0.75}
    concepts["claims"] = [nothing]
    (stable,) = (text for text in texts(analysis) if "evolutionarily stable" in text)
    assert stable.endswith(" is nothing (75%).")


def test_labels_tell_entries_apart() -> None:
    entries = [*ANALYSIS["concepts"]["claims"], *ANALYSIS["concepts"]["numbers"]]
    labels = [label(one) for one in entries]
    assert len(set(labels)) == len(labels)
    assert labels[1] == "welfare pareto_efficient [0,1]"
