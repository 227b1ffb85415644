import pytest
from known_games import TWO_PLAYERS

from marl.games.claims import CLAIMS, NUMBERS, claims_of, numbers_of
from marl.games.concepts import CONCEPTS
from marl.games.limits import Deadline
from marl.games.normal_form import NormalFormGame
from marl.games.solving import Solving


def told(name: str, concept: str, brief: bool = True) -> tuple[list[dict], list[tuple[dict, float | None]]]:
    solving = Solving(NormalFormGame(TWO_PLAYERS[name][:2]), Deadline(60), brief=brief)
    fields = CONCEPTS[concept].compute(solving)
    return claims_of(concept, fields), numbers_of(concept, fields)


def test_a_dilemma_is_solved_by_dominance() -> None:
    claims, numbers = told("prisoners_dilemma", "dominance")
    assert claims == [
        {"claim": "dominated", "player": 0, "strategy": 0},
        {"claim": "dominated", "player": 1, "strategy": 0},
        {"claim": "dominance_solvable", "profile": [1, 1]},
    ]
    assert numbers == []
    assert told("stag_hunt", "dominance")[0] == [{"claim": "nothing_dominated"}]


def test_the_hunt_has_a_payoff_dominant_and_a_risk_dominant_equilibrium() -> None:
    claims, _ = told("stag_hunt", "selection")
    assert claims == [
        {"claim": "payoff_dominant", "support": [[0], [0]]},
        {"claim": "risk_dominant", "profile": [1, 1], "over": [0, 0]},
    ]
    assert told("matching_pennies", "selection")[0] == [{"claim": "nothing_payoff_dominant"}]


def test_numbers_are_named_by_whose_they_are() -> None:
    _, numbers = told("stag_hunt", "commitment")
    assert [name for name, _ in numbers] == [{"number": "leader_payoff", "player": player} for player in (0, 1)]
    assert [value for _, value in numbers] == pytest.approx([9, 9])
    assert {name["number"]: value for name, value in told("stag_hunt", "prices")[1]} == {
        "price_of_anarchy": pytest.approx(18 / 14),
        "price_of_stability": 1,
        "worst_equilibrium_welfare": 14,
        "best_equilibrium_welfare": 18,
    }
    assert told("chicken", "correlated", brief=False)[1] == [
        ({"number": "min_welfare"}, 7.2),
        ({"number": "max_welfare"}, 10.5),
    ]


def test_stability_is_claimed_by_support() -> None:
    assert told("hawk_dove", "ess")[0] == [{"claim": "evolutionarily_stable", "support": [0, 1]}]
    assert told("rock_paper_scissors", "ess")[0] == [{"claim": "nothing_evolutionarily_stable"}]


def test_brief_and_full_answers_claim_the_same() -> None:
    for concept in {*CLAIMS, *NUMBERS} - {"bargaining"}:
        (claims, numbers), (others, proved) = (told("hawk_dove", concept, brief=brief) for brief in (True, False))
        assert claims == others, concept
        assert [name for name, _ in numbers] == [name for name, _ in proved], concept
        assert [value for _, value in numbers] == pytest.approx([value for _, value in proved]), concept


def test_concepts_without_claims_have_none() -> None:
    assert claims_of("mixed", {}) == []
    assert numbers_of("mixed", {}) == []
