"""The three kinds of nodes of a game tree. A tree is a list of nodes in prefix order: a node, then its subtrees."""

from __future__ import annotations

from dataclasses import dataclass

from marl.errors import SolverError
from marl.games.normal_form import LARGEST, SUM_TOLERANCE, Number, as_number


@dataclass(frozen=True, slots=True)
class Chance:
    """A move that nobody chooses: one probability for each of its `actions`."""

    actions: tuple[str, ...]
    probabilities: tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """A move of `player` (its index), who cannot tell the nodes apart that carry the same `information_set`."""

    player: int
    information_set: str
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Terminal:
    """An end, with one payoff for each player."""

    payoffs: tuple[Number, ...]


Node = Chance | Decision | Terminal


def checked(node: Node, players: int, place: str) -> Node:
    """The node of a game of so many players, with its numbers converted; SolverError, from `place`, if it is none."""
    if not isinstance(node, Chance | Decision | Terminal):
        raise SolverError(f"{place} is {node!r}; give Chance, Decision or Terminal")
    if isinstance(node, Terminal):
        if len(node.payoffs) != players:
            raise SolverError(f"{place} has {len(node.payoffs)} payoffs; give {players}, one a player")
        return Terminal(tuple(_finite(payoff, place) for payoff in node.payoffs))
    if not node.actions or len(set(node.actions)) != len(node.actions):
        raise SolverError(f"{place} has actions {node.actions}; give at least one, each with a name of its own")
    if isinstance(node, Chance):
        return Chance(node.actions, _distribution(node, place))
    if not 0 <= node.player < players:
        raise SolverError(f"{place} is of player {node.player}; there are 0 to {players - 1}")
    return node


def _distribution(node: Chance, place: str) -> tuple[Number, ...]:
    shares = tuple(_finite(share, place) for share in node.probabilities)
    floating = any(isinstance(share, float) for share in shares)
    if (
        len(shares) != len(node.actions)
        or min(shares) < 0
        or abs(float(sum(shares) - 1)) > (SUM_TOLERANCE if floating else 0)
    ):
        raise SolverError(
            f"{place} is a chance move with {len(shares)} probabilities that sum to {sum(shares)}; give "
            f'{len(node.actions)} that are >= 0 and sum to 1 (as fractions, "1/3", if need be)'
        )
    return shares


def _finite(value: object, place: str) -> Number:
    try:
        number = as_number(value)
    except SolverError as error:
        raise SolverError(f"{place}: {error}") from error
    if isinstance(number, float) and not abs(number) <= LARGEST:
        raise SolverError(f"{place} holds {number}; give finite numbers up to 1e100")
    return number
