"""Our answers against those of nashpy, quantecon, open_spiel and Gambit, where they are installed."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest
from known_games import TWO_PLAYERS, VON_STENGEL, cheap_talk_stag_hunt

from marl.games.components import equilibrium_components
from marl.games.correlated import correlated_equilibrium
from marl.games.enumeration import extreme_equilibria
from marl.games.lemke_howson import one_equilibrium
from marl.games.normal_form import NormalFormGame
from marl.games.zero_sum import zero_sum_value


def ours(payoffs: object) -> list[np.ndarray]:
    found = extreme_equilibria(NormalFormGame(payoffs)).equilibria
    return [np.array([float(p) for own in one.profile for p in own]) for one in found]


def random_games(count: int, size: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(2, rng.integers(2, size + 1), rng.integers(2, size + 1))) for _ in range(count)]


def test_nashpys_vertex_enumeration_finds_the_same() -> None:
    nashpy = pytest.importorskip("nashpy")
    for payoffs in random_games(60, 4, 0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = [np.concatenate(pair) for pair in nashpy.Game(*payoffs).vertex_enumeration()]
        known = ours(payoffs)
        assert len(theirs) == len(known)
        assert all(min(np.abs(point - other).max() for other in known) < 1e-6 for point in theirs)


def test_quantecons_enumerations_find_the_same_where_nothing_is_degenerate() -> None:
    game_theory = pytest.importorskip("quantecon").game_theory
    for payoffs in random_games(100, 5, 1):
        players = [game_theory.Player(payoffs[0]), game_theory.Player(np.ascontiguousarray(payoffs[1].T))]
        theirs = [np.concatenate(pair) for pair in game_theory.vertex_enumeration(game_theory.NormalFormGame(players))]
        known = ours(payoffs)
        assert len(theirs) == len(known)
        assert all(min(np.abs(point - other).max() for other in known) < 1e-6 for point in theirs)


def test_open_spiels_linear_programs_agree() -> None:
    pyspiel = pytest.importorskip("pyspiel")
    lp_solver = pytest.importorskip("open_spiel.python.algorithms.lp_solver")
    rng = np.random.default_rng(2)
    for _ in range(50):
        matrix = rng.normal(size=(rng.integers(1, 6), rng.integers(1, 6)))
        theirs = lp_solver.solve_zero_sum_matrix_game(pyspiel.create_matrix_game(matrix.tolist(), (-matrix).tolist()))
        assert float(zero_sum_value(NormalFormGame([matrix, -matrix])).value) == pytest.approx(theirs[2], abs=1e-6)


def gambits(payoffs: np.ndarray) -> set[tuple[Fraction, ...]]:
    """All extreme equilibria by Gambit's rational enumeration."""
    pygambit = pytest.importorskip("pygambit")
    game = pygambit.Game.from_arrays(*[np.vectorize(pygambit.Rational)(part) for part in payoffs])
    found = pygambit.nash.enummixed_solve(game, rational=True).equilibria
    return {
        tuple(Fraction(int(p.numerator), int(p.denominator)) for _, own in one.mixed_strategies() for _, p in own)
        for one in found
    }


@pytest.mark.parametrize("name", [*sorted(TWO_PLAYERS), "cheap talk", "von Stengel", "random"])
def test_gambits_rational_enumeration_finds_the_same_fractions(name: str) -> None:
    special = {"cheap talk": [cheap_talk_stag_hunt()], "von Stengel": [VON_STENGEL]}
    rng = np.random.default_rng(3)
    special["random"] = [
        rng.integers(0, rng.integers(2, 50), (2, rng.integers(2, 5), rng.integers(2, 5))) for _ in range(60)
    ]
    games = special[name] if name in special else [np.array(TWO_PLAYERS[name][:2], dtype=object)]
    for payoffs in games:
        fractions = np.array([Fraction(value) for value in np.ravel(payoffs)], dtype=object).reshape(np.shape(payoffs))
        found = extreme_equilibria(NormalFormGame(fractions)).equilibria
        assert {tuple(p for own in one.profile for p in own) for one in found} == gambits(fractions)


def test_winkels_has_the_components_that_the_paper_counts() -> None:
    """Winkels 1979, as enumerated by Avis, Rosenberg, Savani & von Stengel 2010, section 4: 12 extreme equilibria."""
    found = extreme_equilibria(NormalFormGame(TWO_PLAYERS["winkels"][:2])).equilibria
    components = equilibrium_components(found)
    assert sum(len(one.equilibria) for one in components) == 12


def test_two_hundred_by_two_hundred_is_an_equilibrium_by_open_spiels_measure() -> None:
    pytest.importorskip("pyspiel")
    payoffs = np.random.default_rng(7).normal(size=(2, 200, 200))
    found = one_equilibrium(NormalFormGame(payoffs))
    x, y = (np.array(own, dtype=float) for own in found.profile)
    gain = max((payoffs[0] @ y).max() - x @ payoffs[0] @ y, (x @ payoffs[1]).max() - x @ payoffs[1] @ y)
    assert gain < 1e-9


def test_open_spiels_correlated_equilibria_lie_between_our_extremes() -> None:
    pytest.importorskip("cvxpy")
    jpsro = pytest.importorskip("open_spiel.python.algorithms.jpsro")
    rng = np.random.default_rng(4)
    for _ in range(10):
        payoffs = rng.normal(size=(2, 3, 3))
        dist, _ = jpsro._mgce(payoffs, [np.ones(3, dtype=int)] * 2, ignore_repeats=True)
        welfare = float((payoffs.sum(axis=0) * dist).sum())
        game = NormalFormGame(payoffs)
        low, high = (correlated_equilibrium(game, goal).welfare for goal in ("min_welfare", "max_welfare"))
        assert low - 1e-4 <= welfare <= high + 1e-4
