"""Game trees with known solutions, random ones, and those of open_spiel."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from typing import Any

import numpy as np

from marl.games.extensive import Chance, Decision, ExtensiveGame, Node, Terminal

PAIR = ("one", "two")


def kuhn_poker() -> ExtensiveGame:
    """Kuhn 1950, "A simplified two-person poker": value -1/18."""
    deals = list(permutations((1, 2, 3), 2))
    nodes: list[Node] = [Chance(tuple(f"{a}{b}" for a, b in deals), (Fraction(1, 6),) * 6)]
    for first, second in deals:
        win = 1 if first > second else -1
        nodes += [
            Decision(0, f"{first}", ("pass", "bet")),
            Decision(1, f"{second} pass", ("pass", "bet")),
            Terminal((win, -win)),
            Decision(0, f"{first} pass bet", ("fold", "call")),
            Terminal((-1, 1)),
            Terminal((2 * win, -2 * win)),
            Decision(1, f"{second} bet", ("fold", "call")),
            Terminal((1, -1)),
            Terminal((2 * win, -2 * win)),
        ]
    return ExtensiveGame(PAIR, nodes, "Kuhn poker")


def kuhn_equilibrium(alpha: Fraction) -> list[list[list[Fraction]]]:
    """Kuhn's family of equilibria, by the first player's rate of bluffing (0 to 1/3), in the order of the tree's sets.

    The tree shows the first player's 1, 2 and 3, each before and after "pass bet", and the second one's 2, 3, 1.
    """
    third, zero, one = Fraction(1, 3), Fraction(0), Fraction(1)
    first = [alpha, zero, zero, alpha + third, 3 * alpha, one]
    second = [zero, third, one, one, third, zero]
    return [[[1 - p, p] for p in own] for own in (first, second)]


def matching_pennies() -> ExtensiveGame:
    """The second player moves after the first one without seeing what it did."""
    reply = Decision(1, "hidden", ("heads", "tails"))
    win, lose = Terminal((1, -1)), Terminal((-1, 1))
    return ExtensiveGame(PAIR, [Decision(0, "start", ("heads", "tails")), reply, win, lose, reply, lose, win])


def entry_deterrence() -> ExtensiveGame:
    """One round of Selten 1978, "The chain store paradox": the threat to fight is empty."""
    nodes = [
        Decision(0, "entry", ("out", "in")),
        Terminal((1, 5)),
        Decision(1, "reply", ("fight", "share")),
        Terminal((0, 0)),
        Terminal((2, 2)),
    ]
    return ExtensiveGame(("entrant", "incumbent"), nodes)


def centipede(moves: int = 6) -> ExtensiveGame:
    """Rosenthal 1981: the pot doubles with every pass, the mover takes 4/5 of it; taking at once is subgame perfect."""
    nodes: list[Node] = []
    big, small = Fraction(4), Fraction(1)
    for move in range(moves):
        mover = move % 2
        nodes += [
            Decision(mover, f"move {move}", ("take", "pass")),
            Terminal((big, small) if mover == 0 else (small, big)),
        ]
        big, small = 2 * big, 2 * small
    nodes.append(Terminal((big, small) if moves % 2 == 0 else (small, big)))
    return ExtensiveGame(PAIR, nodes)


def ultimatum(pie: int = 4) -> ExtensiveGame:
    """The first player offers 0 to `pie`, the second accepts or both get nothing (Güth et al. 1982)."""
    nodes: list[Node] = [Decision(0, "offer", tuple(map(str, range(pie + 1))))]
    for offer in range(pie + 1):
        nodes += [
            Decision(1, f"offered {offer}", ("accept", "reject")),
            Terminal((pie - offer, offer)),
            Terminal((0, 0)),
        ]
    return ExtensiveGame(("proposer", "responder"), nodes)


def selten_horse() -> ExtensiveGame:
    """Selten 1975, "Reexamination of the perfectness concept", figure 1."""
    third = Decision(2, "three", ("R", "L"))
    nodes = [
        Decision(0, "one", ("R", "L")),
        Decision(1, "two", ("R", "L")),
        Terminal((1, 1, 1)),
        third,
        Terminal((4, 4, 0)),
        Terminal((0, 0, 1)),
        third,
        Terminal((3, 2, 2)),
        Terminal((0, 0, 0)),
    ]
    return ExtensiveGame(("1", "2", "3"), nodes)


def random_tree(seed: int, players: int = 2, depth: int = 4, zero_sum: bool = False) -> ExtensiveGame:
    """Random moves, chance and payoffs; a player remembers its own past, and of the others' sees at most one bit."""
    rng = np.random.default_rng(seed)
    choices: dict[tuple[int, str], int] = {}
    nodes: list[Node] = []

    def grow(depth: int, past: tuple[str, ...]) -> None:
        kind = int(rng.integers(-1, players)) if depth else -2
        if depth and kind >= 0:
            name = f"{past[kind]}/{rng.integers(2)}"
            count = choices.setdefault((kind, name), int(rng.integers(1, 4)))
            nodes.append(Decision(kind, name, tuple("abc"[:count])))
            for action in range(count):
                grow(depth - 1, (*past[:kind], f"{name}{'abc'[action]}", *past[kind + 1 :]))
        elif depth:
            weights = [Fraction(int(w)) for w in rng.integers(0, 4, size=2) + np.array([1, 0])]
            nodes.append(Chance(("x", "y"), tuple(w / sum(weights) for w in weights)))
            grow(depth - 1, past)
            grow(depth - 1, past)
        else:
            payoffs = rng.integers(-5, 6, size=players).tolist()
            nodes.append(Terminal((payoffs[0], -payoffs[0]) if zero_sum else tuple(payoffs)))

    grow(depth, ("",) * players)
    return ExtensiveGame([f"player {k}" for k in range(players)], nodes)


def random_profile(game: ExtensiveGame, seed: int) -> list[list[list[Fraction]]]:
    """A profile with random fractions, zeros among them."""
    rng = np.random.default_rng(seed)
    profile = []
    for own in game.information_sets:
        rows = []
        for one in own:
            weights = rng.integers(0, 4, size=len(one.actions))
            weights[rng.integers(len(weights))] += 1
            rows.append([Fraction(int(w), int(weights.sum())) for w in weights])
        profile.append(rows)
    return profile


def spiel_tree(theirs: Any) -> ExtensiveGame:
    """The tree of a game of open_spiel's, its information sets named by the states' texts."""
    nodes: list[Node] = []
    waiting = [theirs.new_initial_state()]
    while waiting:
        state = waiting.pop()
        if state.is_terminal():
            nodes.append(Terminal(tuple(map(Fraction, state.returns()))))
            continue
        if state.is_chance_node():
            moves, shares = zip(*state.chance_outcomes(), strict=True)
            names = tuple(state.action_to_string(-1, move) for move in moves)
            nodes.append(Chance(names, tuple(Fraction(share).limit_denominator(1000) for share in shares)))
        else:
            player, moves = state.current_player(), state.legal_actions()
            names = tuple(state.action_to_string(player, move) for move in moves)
            nodes.append(Decision(player, state.information_state_string(player), names))
        waiting += [state.child(move) for move in reversed(moves)]
    return ExtensiveGame([f"player_{k}" for k in range(theirs.num_players())], nodes)
