from fractions import Fraction

import numpy as np
import pytest
from known_trees import kuhn_poker, matching_pennies, selten_horse

from marl.errors import SolverError
from marl.games.extensive.game import ExtensiveGame
from marl.games.extensive.nodes import Terminal
from marl.games.limits import Deadline
from marl.games.normal_form import NormalFormGame
from marl.games.solving import Solving, held, plain


def test_a_tree_has_a_normal_form_and_a_matrix_no_tree() -> None:
    solving = Solving(matching_pennies(), Deadline(60))
    assert solving.needed_tree is solving.tree
    assert solving.game.payoffs[0].tolist() == [[1, -1], [-1, 1]]
    assert len(solving.equilibria.equilibria) == 1
    assert solving.sequence_form.payoffs == (0, 0)
    matrix = Solving(NormalFormGame([[[0.5]], [[1.0]]]), Deadline(60))
    assert matrix.tree is None
    assert matrix.game.exact
    with pytest.raises(SolverError, match="needs a game tree"):
        _ = matrix.sequence_form


def test_floats_become_fractions_unless_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = ExtensiveGame(["a"], [Terminal((0.3,))])
    assert Solving(tree, Deadline(60)).tree.exact  # type: ignore[union-attr]
    monkeypatch.setattr("marl.games.solving.EXACT_LIMIT", 0)
    assert not Solving(tree, Deadline(60)).game.exact


def test_what_failed_before_is_not_tried_again() -> None:
    with pytest.raises(SolverError, match="could not be computed"):
        _ = Solving(selten_horse(), Deadline(60), failed=("mixed",)).equilibria
    with pytest.raises(SolverError, match="could not be computed"):
        _ = Solving(kuhn_poker(), Deadline(60), failed=("sequence_form",)).sequence_form
    with pytest.raises(SolverError, match="sum to a constant"):
        _ = Solving(selten_horse(), Deadline(60)).sequence_form


def test_the_share_is_half_of_what_is_left() -> None:
    assert Solving(kuhn_poker(), Deadline(10)).share == pytest.approx(5, abs=0.5)


def test_numbers_in_the_record() -> None:
    values = [plain(value) for value in (Fraction(4, 2), Fraction(1, 2), 3.0, None, np.float64(0.5))]
    assert values == [2, 0.5, 3.0, None, 0.5]
    assert [type(value) for value in values[:2]] == [int, float]
    assert [held(value) for value in (Fraction(9, 4), 2, 0.5)] == ["9/4", "2", 0.5]
