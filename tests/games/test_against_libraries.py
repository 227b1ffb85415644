"""Our answers against those of nashpy, quantecon, open_spiel and Gambit, where they are installed."""

from __future__ import annotations

import io
import warnings
from fractions import Fraction

import numpy as np
import pytest
from known_games import TWO_PLAYERS, VON_STENGEL, cheap_talk_stag_hunt

from marl.games.cheap_talk import CheapTalk, signaling_game
from marl.games.components import equilibrium_components
from marl.games.enumeration import extreme_equilibria
from marl.games.files.nfg import format_nfg
from marl.games.lemke_howson import one_equilibrium
from marl.games.normal_form import NormalFormGame


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


def test_open_spiel_measures_the_same_nash_conv() -> None:
    pyspiel = pytest.importorskip("pyspiel")
    policy = pytest.importorskip("open_spiel.python.policy")
    exploitability = pytest.importorskip("open_spiel.python.algorithms.exploitability")
    for payoffs in random_games(20, 4, 2):
        matrix = pyspiel.create_matrix_game(payoffs[0].tolist(), payoffs[1].tolist())
        theirs = pyspiel.convert_to_turn_based(matrix)
        rng = np.random.default_rng(len(payoffs[0]))
        mixed = [rng.dirichlet(np.ones(size)) for size in payoffs.shape[1:]]
        table = policy.TabularPolicy(theirs)
        for player, own in enumerate(mixed):
            for key in table.states_per_player[player]:
                table.policy_for_key(key)[:] = np.pad(own, (0, table.action_probability_array.shape[1] - len(own)))
        expected = exploitability.nash_conv(theirs, table, use_cpp_br=False)
        assert float(NormalFormGame(payoffs).nash_conv(mixed)) == pytest.approx(expected, abs=1e-9)


def gambits(payoffs: np.ndarray) -> set[tuple[Fraction, ...]]:
    """All extreme equilibria by Gambit's rational enumeration."""
    pygambit = pytest.importorskip("pygambit")
    game = pygambit.read_nfg(io.StringIO(format_nfg(NormalFormGame(payoffs))))
    found = pygambit.nash.enummixed_solve(game, rational=True).equilibria
    return {tuple(Fraction(str(p)) for player in game.players for _, p in one[player]) for one in found}


@pytest.mark.parametrize("name", [*sorted(TWO_PLAYERS), "cheap talk", "von Stengel", "random"])
def test_gambits_rational_enumeration_finds_the_same_fractions(name: str) -> None:
    eye = [[1, 0], [0, 1]]
    sexes = NormalFormGame(TWO_PLAYERS["battle_of_the_sexes"][:2])
    talks = [CheapTalk(sexes), signaling_game(eye, eye)]
    special = {
        "cheap talk": [cheap_talk_stag_hunt(), *(talk.game.payoffs for talk in talks)],
        "von Stengel": [VON_STENGEL],
    }
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


def test_two_hundred_by_two_hundred_by_definition() -> None:
    payoffs = np.random.default_rng(7).normal(size=(2, 200, 200))
    found = one_equilibrium(NormalFormGame(payoffs))
    x, y = (np.array(own, dtype=float) for own in found.profile)
    gain = max((payoffs[0] @ y).max() - x @ payoffs[0] @ y, (x @ payoffs[1]).max() - x @ payoffs[1] @ y)
    assert gain < 1e-9
