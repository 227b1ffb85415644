from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_games import TWO_PLAYERS, pigou, public_goods, travelers_dilemma
from scipy.optimize import linprog

from marl.errors import SolverError
from marl.games.dominance import dominated_strategies, iterated_elimination, rationalizable
from marl.games.enumeration import extreme_equilibria
from marl.games.normal_form import NormalFormGame

MIDDLE = [[[3, 0], [0, 3], [1, 1]], [[0, 0], [0, 0], [0, 0]]]
"""The third row is dominated by half the first and half the second, and by neither alone."""


def test_prisoners_dilemma_in_one_round() -> None:
    found = iterated_elimination(NormalFormGame(TWO_PLAYERS["prisoners_dilemma"][:2]))
    assert found.remaining == ((1,), (1,))
    assert [[(one.player, one.strategy, one.by) for one in part] for part in found.rounds] == [
        [(0, 0, (0, 1)), (1, 0, (0, 1))]
    ]
    assert found.exact


def test_a_mixture_dominates_where_no_pure_strategy_does() -> None:
    game = NormalFormGame(MIDDLE)
    assert dominated_strategies(game, by="pure") == ()
    (one,) = dominated_strategies(game)
    assert (one.player, one.strategy, one.exact) == (0, 2, True)
    mixed = np.array(one.by, dtype=object)
    assert mixed.sum() == 1
    assert (mixed @ game.payoffs[0] > 1).all()
    weak = NormalFormGame([[[2, 0], [0, 2], [1, 1]], [[0, 0], [0, 0], [0, 0]]])
    assert dominated_strategies(weak) == dominated_strategies(weak, strict=False) == ()


def test_known_games() -> None:
    claims = NormalFormGame(travelers_dilemma(2, 8))
    assert rationalizable(claims) == ((0,), (0,))
    assert len(iterated_elimination(claims).rounds) == 6
    assert iterated_elimination(claims, by="pure", strict=False).remaining == ((0,), (0,))
    assert rationalizable(NormalFormGame(public_goods(3))) == ((1,),) * 3
    assert rationalizable(NormalFormGame(TWO_PLAYERS["rock_paper_scissors"][:2])) == ((0, 1, 2),) * 2
    roads = NormalFormGame(pigou())
    assert dominated_strategies(roads) == ()
    assert {(one.player, one.strategy) for one in dominated_strategies(roads, strict=False)} == {(0, 1), (1, 1)}


def test_floats_are_as_exact() -> None:
    (one,) = dominated_strategies(NormalFormGame(np.array(MIDDLE) / 10))
    assert (one.strategy, one.exact) == (2, True)


@settings(max_examples=80, deadline=None)
@given(st.integers(2, 4), st.integers(1, 4), st.integers(2, 6), st.booleans(), st.integers(0, 2**32 - 1))
def test_dominated_exactly_if_a_plain_linear_program_says_so(
    rows: int, columns: int, size: int, strict: bool, seed: int
) -> None:
    payoffs = np.random.default_rng(seed).integers(0, size, (2, rows, columns))
    found = dominated_strategies(NormalFormGame(payoffs), strict=strict)
    for one in found:
        own = payoffs[0] if one.player == 0 else payoffs[1].T
        gain = np.array(one.by, dtype=object) @ own - own[one.strategy]
        assert (gain > 0).all() if strict else (gain >= 0).all() and (gain > 0).any()
    told = {one.strategy for one in found if one.player == 0}
    for strategy in range(rows):
        others = np.delete(payoffs[0], strategy, axis=0).astype(float)
        gains = others - payoffs[0][strategy]
        if strict:  # max t: x @ gains >= t
            matrix = np.hstack([-gains.T, np.ones((columns, 1))])
            answer = linprog([0.0] * (rows - 1) + [-1], matrix, np.zeros(columns), [[1] * (rows - 1) + [0]], [1],
                             bounds=[(0, 1)] * (rows - 1) + [(None, None)])  # fmt: skip
            expected = -answer.fun > 1e-9
        else:  # max sum of x @ gains where x @ gains >= 0
            answer = linprog(-gains.sum(axis=1), -gains.T, np.zeros(columns), [[1] * (rows - 1)], [1])
            expected = answer.status == 0 and -answer.fun > 1e-9
        assert (strategy in told) == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_elimination_keeps_what_it_must(rows: int, columns: int, size: int, seed: int) -> None:
    game = NormalFormGame(np.random.default_rng(seed).integers(0, size, (2, rows, columns)))
    kept = iterated_elimination(game).remaining
    equilibria = extreme_equilibria(game).equilibria
    assert all(set(played) <= set(own) for one in equilibria for played, own in zip(one.support, kept, strict=True))
    weakly = iterated_elimination(game, strict=False).remaining
    assert any(all(set(p) <= set(o) for p, o in zip(one.support, weakly, strict=True)) for one in equilibria)
    pure = iterated_elimination(game, by="pure").remaining
    assert all(set(own) <= set(more) for own, more in zip(kept, pure, strict=True))


def test_time_is_limited() -> None:
    game = NormalFormGame(np.random.default_rng(0).integers(0, 50, (3, 6, 6, 6)))
    with pytest.raises(SolverError, match="took longer"):
        iterated_elimination(game, strict=False, time_limit=1e-6)


def test_weights_are_fractions() -> None:
    (one,) = dominated_strategies(NormalFormGame(MIDDLE))
    assert all(isinstance(weight, Fraction) for weight in one.by)
