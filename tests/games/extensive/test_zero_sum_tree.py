from fractions import Fraction

import pytest
from known_trees import (
    PAIR,
    entry_deterrence,
    kuhn_poker,
    matching_pennies,
    random_tree,
    selten_horse,
    spiel_tree,
)

from marl.errors import SolverError
from marl.games.extensive.behavior import nash_conv, uniform_profile
from marl.games.extensive.game import ExtensiveGame
from marl.games.extensive.nodes import Chance, Decision, Terminal
from marl.games.extensive.reduced_form import reduced_normal_form
from marl.games.extensive.zero_sum_tree import zero_sum_equilibrium
from marl.games.zero_sum import zero_sum_value


def test_kuhn_poker_is_worth_minus_one_eighteenth_exactly() -> None:
    found = zero_sum_equilibrium(kuhn_poker())
    assert found.exact
    assert found.payoffs == (Fraction(-1, 18), Fraction(1, 18))
    assert found.regret == 0
    assert nash_conv(kuhn_poker(), found.profile) == 0


@pytest.mark.parametrize("unit", [Fraction(1, 10**9), Fraction(10**9)])
def test_a_tree_is_solved_in_any_unit(unit: Fraction) -> None:
    poker = kuhn_poker()
    nodes = [
        Terminal(tuple(payoff * unit for payoff in node.payoffs)) if isinstance(node, Terminal) else node
        for node in poker.nodes
    ]
    found = zero_sum_equilibrium(ExtensiveGame(poker.players, nodes))
    assert found.exact
    assert found.payoffs == (-unit / 18, unit / 18)


def test_matching_pennies_is_mixed_evenly() -> None:
    half = (Fraction(1, 2),) * 2
    assert zero_sum_equilibrium(matching_pennies()).profile == ((half,), (half,))


@pytest.mark.parametrize("seed", range(12))
def test_the_value_is_that_of_the_normal_form(seed: int) -> None:
    game = random_tree(seed, depth=4, zero_sum=True)
    found = zero_sum_equilibrium(game)
    value = zero_sum_value(reduced_normal_form(game)).value
    assert float(found.payoffs[0]) == pytest.approx(float(value), abs=1e-9)
    assert float(nash_conv(game, found.profile)) <= 1e-9
    assert not found.exact or nash_conv(game, found.profile) == 0


def test_any_constant_will_do_and_floats_are_made_fractions() -> None:
    nodes = [Chance(("a", "b"), (0.5, 0.5)), Terminal((0.1, 0.2)), Decision(0, "", ("x", "y"))]
    found = zero_sum_equilibrium(ExtensiveGame(PAIR, [*nodes, Terminal((0.3, 0.0)), Terminal((0.2, 0.1))]))
    assert (found.payoffs, found.exact) == ((Fraction(1, 5), Fraction(1, 10)), True)


def test_perfect_information_is_solved_backward() -> None:
    """Nim with piles of 1, 2 and 3 is lost for who begins (Bouton 1901), with 2 and 3 it is won."""
    nodes: list = []

    def grow(piles: tuple[int, ...], mover: int) -> None:
        moves = [(k, n) for k, pile in enumerate(piles) for n in range(1, pile + 1)]
        if not moves:
            nodes.append(Terminal((-1, 1) if mover == 0 else (1, -1)))
            return
        nodes.append(Decision(mover, f"{len(nodes)}", tuple(f"{n} from {k}" for k, n in moves)))
        for k, n in moves:
            grow((*piles[:k], piles[k] - n, *piles[k + 1 :]), 1 - mover)

    for piles, value in (((1, 2, 3), -1), ((2, 3), 1)):
        nodes.clear()
        grow(piles, 0)
        found = zero_sum_equilibrium(ExtensiveGame(PAIR, nodes))
        assert (found.payoffs, found.regret, found.method) == ((value, -value), 0, "backward induction")


def test_large_games_stay_floating_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marl.games.extensive.zero_sum_tree.CERTIFIED_LEAVES", 10)
    found = zero_sum_equilibrium(kuhn_poker())
    assert (found.exact, isinstance(found.regret, float)) == (False, True)
    assert found.payoffs[0] == pytest.approx(-1 / 18, abs=1e-12)
    assert 0 <= found.regret < 1e-12


def test_leduc_poker() -> None:
    """Southey et al. 2005 for the game; the value as computed by many since (OpenSpiel's tests among them)."""
    pyspiel = pytest.importorskip("pyspiel")
    game = spiel_tree(pyspiel.load_game("leduc_poker"))
    found = zero_sum_equilibrium(game)
    assert found.payoffs[0] == pytest.approx(-0.085606424078, abs=1e-9)
    assert found.regret < 1e-9
    assert nash_conv(game, uniform_profile(game)) == pytest.approx(4.747222222222222, abs=1e-9)


def test_other_games_are_refused_and_time_is_kept() -> None:
    for game in (entry_deterrence(), selten_horse()):
        with pytest.raises(SolverError, match="two players whose payoffs sum to a constant"):
            zero_sum_equilibrium(game)
    pyspiel = pytest.importorskip("pyspiel")
    with pytest.raises(SolverError, match="raise the time limit"):
        zero_sum_equilibrium(spiel_tree(pyspiel.load_game("leduc_poker")), time_limit=1e-3)
