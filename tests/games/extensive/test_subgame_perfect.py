from fractions import Fraction

import numpy as np
import pytest
from known_trees import PAIR, centipede, entry_deterrence, matching_pennies, ultimatum

from marl.errors import SolverError
from marl.games.extensive.behavior import nash_conv
from marl.games.extensive.game import ExtensiveGame
from marl.games.extensive.nodes import Chance, Decision, Node, Terminal
from marl.games.extensive.subgame_perfect import subgame_perfect


def test_the_chain_store_shares() -> None:
    found = subgame_perfect(entry_deterrence())
    assert (found.actions, found.payoffs, found.unique, found.exact) == (((1,), (1,)), (2, 2), True, True)


@pytest.mark.parametrize("moves", [1, 4, 7])
def test_the_centipede_ends_at_once(moves: int) -> None:
    game = centipede(moves)
    found = subgame_perfect(game)
    assert found.payoffs == (4, 1)
    assert all(action == 0 for own in found.actions for action in own)
    assert found.unique
    assert nash_conv(game, found.actions) == 0


def test_the_last_offer_of_nothing_is_a_tie() -> None:
    found = subgame_perfect(ultimatum(4))
    assert found.payoffs == (4, 0)
    assert found.actions == ((0,), (0, 0, 0, 0, 0))
    assert (found.ties, found.unique) == (((1, 0),), False)


def test_chance_is_averaged() -> None:
    third = Fraction(1, 3)
    gamble = [Chance(("win", "lose"), (third, 1 - third)), Terminal((9, 0)), Terminal((-3, 1))]
    found = subgame_perfect(
        ExtensiveGame(PAIR, [Decision(0, "", ("safe", "gamble")), Terminal((Fraction(1, 2), 5)), *gamble])
    )
    assert (found.payoffs, found.actions) == ((1, Fraction(2, 3)), ((1,), ()))


def test_floats_are_solved_as_the_fractions_they_stand_for() -> None:
    found = subgame_perfect(
        ExtensiveGame(PAIR, [Decision(0, "", ("a", "b")), Terminal((0.3, 0)), Terminal((0.1 + 0.2, 0))])
    )
    assert (found.payoffs, found.ties, found.exact) == ((Fraction(3, 10), 0), ((0, 0),), False)


@pytest.mark.parametrize("seed", range(8))
def test_nobody_gains_in_any_subgame(seed: int) -> None:
    """The equilibrium restricted to every subgame is a Nash equilibrium there."""
    rng = np.random.default_rng(seed)
    nodes: list[Node] = []

    def grow(depth: int) -> None:
        if depth == 0:
            nodes.append(Terminal(tuple(rng.integers(0, 4, size=2).tolist())))
            return
        kind = rng.integers(5)
        if kind == 4:
            nodes.append(Chance(("x", "y"), (Fraction(1, 4), Fraction(3, 4))))
        else:
            nodes.append(Decision(int(kind % 2), f"{len(nodes)}", ("a", "b")))
        grow(depth - 1)
        grow(depth - 1)

    grow(4)
    game = ExtensiveGame(PAIR, nodes)
    found = subgame_perfect(game)
    size = {}
    for k in reversed(range(len(nodes))):
        size[k] = 1 + sum(size[child] for child in game.children[k])
        part = ExtensiveGame(PAIR, nodes[k : k + size[k]])
        whole = {one.name: a for own, acts in zip(game.information_sets, found.actions, strict=True)
                 for one, a in zip(own, acts, strict=True)}  # fmt: skip
        assert nash_conv(part, [[whole[one.name] for one in own] for own in part.information_sets]) == 0


def test_imperfect_information_is_refused() -> None:
    with pytest.raises(SolverError, match="needs perfect information"):
        subgame_perfect(matching_pennies())
