"""The table of concepts and the plan, held against the fields of a real analysis."""

from __future__ import annotations

from typing import Any

from marl.report.concepts import FOLDED, MOST_CLAIMS, TITLES, concept_view, plan_view
from marl.report.formats import number, percent


def test_every_claim_and_number_has_its_line(analysis: dict[str, Any]) -> None:
    record, view = analysis["concepts"], concept_view(analysis)
    assert view is not None
    lines = [*view.rows, *view.more]
    assert len(lines) == len(record["claims"]) + len(record["numbers"])
    assert {line.concept for line in lines} == {TITLES[one["concept"]] for one in record["claims"] + record["numbers"]}
    (anarchy,) = [one for one in record["numbers"] if one["number"] == "price_of_anarchy"]
    (line,) = [line for line in lines if line.says.startswith("price of anarchy: ")]
    assert line.says.endswith(number(anarchy["estimate"]))
    sure = anarchy["low"] == anarchy["high"] == anarchy["estimate"]
    assert line.sure.startswith("sure" if sure else f"{number(anarchy['low'])} to {number(anarchy['high'])}")
    (leader, _) = [one for one in record["numbers"] if one["number"] == "leader_payoff"]
    leader.update(low=1.0, high=2.5, defined=0.75)
    again = concept_view(analysis)
    assert again is not None
    assert "1.00 to 2.50, undefined in 25%" in {line.sure for line in again.rows}
    (top,) = [one for one in record["claims"] if one["claim"] == "alpha_rank_top" and one["holds"]]
    (line,) = [line for line in view.rows if line.says.endswith("is ranked first")]
    assert line.sure == percent(top["probability"])


def test_the_table_is_short_and_holds_what_the_means_say(analysis: dict[str, Any]) -> None:
    view = concept_view(analysis)
    assert view is not None
    assert not [line for line in view.rows if line.says.startswith("in drawn games only")]
    assert not {TITLES[name] for name in FOLDED if name in TITLES} & {line.concept for line in view.rows}
    for title in TITLES.values():
        assert len([line for line in view.rows if line.concept == title]) <= MOST_CLAIMS + 3


def test_an_analysis_of_an_earlier_version_has_neither(analysis: dict[str, Any]) -> None:
    del analysis["concepts"], analysis["refinement"]
    assert concept_view(analysis) is None
    assert plan_view(analysis) is None


def test_what_is_left_out_or_rests_on_fewer_draws_is_noted(analysis: dict[str, Any]) -> None:
    analysis["concepts"]["draws"]["correlated"] = 7
    view = concept_view(analysis)
    assert view is not None
    assert "Correlated equilibria rests on 7 drawn games." in view.notes
    analysis["concepts"].update(
        left_out=["ess"], missing=[[0, k] for k in range(4)], solution=None, claims=[], numbers=[], draws={}, wanted=0
    )
    view = concept_view(analysis)
    assert view is not None
    assert (view.rows, view.more) == ([], [])
    (note,) = view.notes
    assert note.endswith("never played: (trained, trained), (trained, untrained), (trained, hare) and 1 more.")


def test_the_plan_lists_what_to_play_first(analysis: dict[str, Any]) -> None:
    planned = [{"profile": [k % 4, k // 4], "played": 24, "more": 90 - k} for k in range(10)]
    analysis["refinement"].update(undecided=3, profiles=planned)
    view = plan_view(analysis)
    assert view is not None
    assert view.rows[0] == ("(trained, trained)", 24, 90)
    assert (len(view.rows), view.left_out, view.undecided) == (8, 2, 3)
    analysis["refinement"]["profiles"] = []
    assert plan_view(analysis) is None
