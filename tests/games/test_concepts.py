import numpy as np
import pytest
from known_games import TWO_PLAYERS, cheap_talk_stag_hunt, volunteers_dilemma
from known_trees import matching_pennies

from marl.errors import SolverError
from marl.games.concepts import CONCEPTS, concepts_for
from marl.games.limits import Deadline
from marl.games.normal_form import NormalFormGame
from marl.games.solving import Solving


def fields(payoffs: object, *names: str, failed: tuple[str, ...] = ()) -> dict:
    game = NormalFormGame(payoffs)
    solving = Solving(game, Deadline(60), failed)
    held: dict = {}
    for name in names or concepts_for(game):
        held.update(CONCEPTS[name].compute(solving))
    return held


def test_every_concept_gives_the_fields_it_declares() -> None:
    for payoffs in (TWO_PLAYERS["stag_hunt"][:2], np.array(TWO_PLAYERS["hawk_dove"][:2]) / 2):
        for name in concepts_for(NormalFormGame(payoffs)):
            assert set(fields(payoffs, name)) == set(CONCEPTS[name].fields)


def test_a_tree_has_all_concepts() -> None:
    assert set(concepts_for(matching_pennies())) == set(CONCEPTS)


def test_prisoners_dilemma() -> None:
    held = fields(TWO_PLAYERS["prisoners_dilemma"][:2])
    assert held["pure"] == [[1, 1]]
    assert held["mixed"] == [
        {
            "profile": [["0", "1"], ["0", "1"]],
            "payoffs": ["1", "1"],
            "regret": "0",
            "exact": True,
            "method": "vertex enumeration",
        }
    ]
    assert (held["complete"], held["max_welfare"], held["social_optimum"]) == ("yes", 6, [0, 0])
    assert (held["price_of_anarchy"], held["price_of_stability"]) == (3, 3)
    assert held["pareto"] == [[0, 0], [0, 1], [1, 0]]
    assert (held["uniform_regret"], held["nash_conv"]) == ([0.5, 0.5], 1)
    assert held["better_response_sinks"] == [[[1, 1]]]
    assert held["ess"] == [["0", "1"]]
    assert held["correlated"]["max_welfare"] == held["coarse_correlated"]["min_welfare"] == 2
    assert held["dominance"]["strict"]["remaining"] == held["rationalizable"] == [[1], [1]]
    assert held["security_levels"] == [1, 1]
    assert held["zero_sum_value"] is None
    assert [(one["leader"], one["reply"]) for one in held["stackelberg"]] == [(0, 1), (1, 1)]
    assert [one["leader_payoff"] for one in held["stackelberg"]] == pytest.approx([1, 1])
    assert held["nash_bargaining"]["payoffs"] == pytest.approx([3, 3], abs=1e-4)
    assert held["nash_bargaining"]["disagreement"] == pytest.approx([1, 1])
    assert all(one["agree"] for one in held["agreement"])


def test_components_of_a_degenerate_game_are_named() -> None:
    held = fields(cheap_talk_stag_hunt(), "mixed")
    assert held["degenerate"]
    assert len(held["mixed"]) == 16
    assert sorted(k for one in held["components"] for k in one["equilibria"]) == list(range(16))


def test_three_players() -> None:
    held = fields(volunteers_dilemma(3), "mixed", "prices", "selection", "security")
    assert (len(held["mixed"]), held["complete"], held["components"]) == (7, "yes", None)
    assert held["prices_are"] == "exact"
    assert held["price_of_stability"] == 1
    assert held["risk_dominance"] is None
    assert held["security_levels"] == [1, 1, 1]


def test_floating_games_are_solved_as_the_fractions_they_stand_for() -> None:
    held = fields(np.array(TWO_PLAYERS["stag_hunt"][:2]) * 0.1, "mixed", "prices")
    assert held["mixed"][2]["profile"] == [["7/8", "1/8"]] * 2
    assert held["price_of_anarchy"] == pytest.approx(18 / 14)


def test_what_cannot_be_answered_is_refused_with_a_reason() -> None:
    with pytest.raises(SolverError, match="not a symmetric"):
        fields(TWO_PLAYERS["battle_of_the_sexes"][:2], "ess")
    with pytest.raises(SolverError, match="could not be computed"):
        fields(TWO_PLAYERS["stag_hunt"][:2], "prices", failed=("mixed",))
