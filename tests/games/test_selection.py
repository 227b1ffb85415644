import numpy as np
import pytest
from known_games import TWO_PLAYERS, volunteers_dilemma

from marl.errors import SolverError
from marl.games.enumeration import extreme_equilibria
from marl.games.normal_form import NormalFormGame
from marl.games.selection import payoff_dominant, risk_comparisons


def test_stag_hunt_pits_payoff_against_risk() -> None:
    """Harsanyi & Selten 1988, section 10.12: (9 - 8)^2 = 1 for stag against 7^2 = 49 for hare."""
    game = NormalFormGame(TWO_PLAYERS["stag_hunt"][:2])
    best = payoff_dominant(extreme_equilibria(game).equilibria)
    assert best is not None
    assert best.pure == (0, 0)
    (one,) = risk_comparisons(game)
    assert (one.products, one.dominant) == ((1, 49), (1, 1))


def test_ties_and_conflicts_have_no_winner() -> None:
    game = NormalFormGame(TWO_PLAYERS["battle_of_the_sexes"][:2])
    assert payoff_dominant(extreme_equilibria(game).equilibria) is None
    (one,) = risk_comparisons(game)
    assert (one.products, one.dominant) == ((2, 2), None)
    assert payoff_dominant(extreme_equilibria(NormalFormGame(TWO_PLAYERS["coordination_3"][:2])).equilibria) is None


def test_only_strict_ones_that_differ_for_both_are_compared() -> None:
    assert risk_comparisons(NormalFormGame(np.zeros((2, 2, 2)))) == []
    assert len(risk_comparisons(NormalFormGame(TWO_PLAYERS["coordination_4"][:2]))) == 6
    assert payoff_dominant(extreme_equilibria(NormalFormGame(TWO_PLAYERS["prisoners_dilemma"][:2])).equilibria) is None


def test_affine_changes_keep_the_order() -> None:
    a, b = (np.array(part, dtype=object) for part in TWO_PLAYERS["stag_hunt"][:2])
    (one,) = risk_comparisons(NormalFormGame(np.stack([a * 3 - 5, b * 2 + 1])))
    assert (one.products, one.dominant) == ((6, 294), (1, 1))


def test_two_players_only() -> None:
    with pytest.raises(SolverError, match="3 players"):
        risk_comparisons(NormalFormGame(volunteers_dilemma(3)))
