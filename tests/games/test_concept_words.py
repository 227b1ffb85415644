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


def test_a_number_that_is_undefined_in_some_games_says_so_though_it_never_varies() -> None:
    analysis = copy.deepcopy(ANALYSIS)
    for one in analysis["concepts"]["numbers"]:
        one.update(low=2.0, high=2.0, defined=0.6)
    assert texts(analysis)[2].count("2 (undefined in 40%)") == 2
    for one in analysis["concepts"]["numbers"]:
        one.update(low=None, high=None, defined=0.0)
    assert texts(analysis)[2].count("2 (undefined in 100%)") == 2


@pytest.mark.parametrize(("complete", "known"), [("yes", ""), ("unknown", " that was found")])
def test_dominance_is_sure_of_the_equilibria_that_were_found_only(complete: str, known: str) -> None:
    analysis = copy.deepcopy(ANALYSIS)
    chosen = {"concept": "selection", "holds": True, "probability": 0.5}
    analysis["concepts"]["solution"].update(complete=complete, mixed=[{}, {}])
    analysis["concepts"]["claims"] = [chosen | {"claim": "payoff_dominant", "support": [[0], [1]]}]
    assert any(text.endswith(f": no other equilibrium{known} pays any player more.") for text in texts(analysis))
    analysis["concepts"]["claims"] = [chosen | {"claim": "nothing_payoff_dominant"}]
    assert any(
        text.startswith(f"No equilibrium{known} is payoff dominant (pays nobody less") for text in texts(analysis)
    )


def test_profiles_that_tie_in_alpha_rank_are_counted() -> None:
    analysis = copy.deepcopy(ANALYSIS)
    masses = [{"profile": profile, "mass": 0.25} for profile in ([0, 0], [0, 1], [1, 0], [1, 1])]
    analysis["concepts"]["solution"]["alpha_rank"] = {"alpha": 100, "population": 50, "masses": masses}
    top = {"concept": "alpha_rank", "claim": "alpha_rank_top", "profile": [0, 0], "holds": True, "probability": None}
    analysis["concepts"]["claims"] = [top]
    assert any("puts (a “stag”, b “stag”) first, as high as 3 others" in text for text in texts(analysis))
