"""Subgame-perfect equilibrium of a tree with perfect information, by backward induction.

Source: Zermelo 1913; Kuhn 1953; Selten 1965 for the name.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from marl.errors import SolverError
from marl.games.extensive.game import ExtensiveGame
from marl.games.extensive.nodes import Decision, Terminal
from marl.games.normal_form import Number


@dataclass(frozen=True, slots=True)
class SubgamePerfect:
    """One subgame-perfect equilibrium in pure strategies, the first action wherever several are equally good.

    `actions[player][information set]` is the action played there, `ties` lists (player, information set) where another
    action would have been as good, given the play that follows. Without ties the equilibrium is the only one.
    """

    actions: tuple[tuple[int, ...], ...]
    payoffs: tuple[Number, ...]
    ties: tuple[tuple[int, int], ...]
    exact: bool
    method: str = "backward induction"

    @property
    def unique(self) -> bool:
        """Whether there is no other subgame-perfect equilibrium, mixed ones included."""
        return not self.ties


def subgame_perfect(game: ExtensiveGame) -> SubgamePerfect:
    """The equilibrium, computed in Fractions. Raises SolverError where the information is not perfect."""
    if not game.perfect_information:
        raise SolverError("backward induction needs perfect information: every information set a single node")
    solved = game.rational()
    places = {one.nodes[0]: (p, k) for p, own in enumerate(solved.information_sets) for k, one in enumerate(own)}
    actions = [[0] * len(own) for own in solved.information_sets]
    ties = []
    values: list[tuple[Fraction, ...]] = [()] * len(solved.nodes)
    for k in reversed(range(len(solved.nodes))):
        node, below = solved.nodes[k], [values[child] for child in solved.children[k]]
        if isinstance(node, Terminal):
            values[k] = tuple(Fraction(payoff) for payoff in node.payoffs)
        elif isinstance(node, Decision):
            player, place = places[k]
            gains = [value[player] for value in below]
            best = gains.index(max(gains))
            if gains.count(max(gains)) > 1:
                ties.append((player, place))
            actions[player][place], values[k] = best, below[best]
        else:
            shares = [Fraction(p) for p in node.probabilities]
            columns = zip(*below, strict=True)
            values[k] = tuple(sum((p * u for p, u in zip(shares, own, strict=True)), Fraction(0)) for own in columns)
    return SubgamePerfect(tuple(map(tuple, actions)), values[0], tuple(sorted(ties)), game.exact)
