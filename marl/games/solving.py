"""A game on its way through the solution concepts, and how their numbers stand in the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from marl.errors import SolverError
from marl.games.equilibrium import EquilibriumSet
from marl.games.extensive.game import ExtensiveGame
from marl.games.extensive.reduced_form import reduced_normal_form
from marl.games.extensive.zero_sum_tree import BehaviorEquilibrium, zero_sum_equilibrium
from marl.games.limits import Deadline
from marl.games.mixed import mixed_equilibria
from marl.games.normal_form import NormalFormGame, Number
from marl.games.zero_sum import security_level

EXACT_LIMIT = 100_000
"""Up to this many payoffs a floating game is made rational, so that its numbers are exact, too."""


class Solving:
    """A game, in normal form or as a tree; what several concepts need of it is computed once.

    `brief` leaves out what only a reader of one game asks for: weak dominance, and all correlated equilibria but those
    with the most and the least welfare, and those without proof.
    """

    def __init__(
        self,
        given: NormalFormGame | ExtensiveGame,
        deadline: Deadline,
        failed: tuple[str, ...] = (),
        *,
        brief: bool = False,
    ) -> None:
        self._given, self.deadline, self._failed, self.brief = given, deadline, failed, brief

    @property
    def share(self) -> float:
        """Seconds for the next step: half of what is left."""
        return self.deadline.left / 2

    @cached_property
    def tree(self) -> ExtensiveGame | None:
        """The tree, where one was given; in Fractions unless it is large."""
        tree = self._given
        if not isinstance(tree, ExtensiveGame):
            return None
        return tree.rational() if tree.leaf_payoffs.size <= EXACT_LIMIT else tree

    @cached_property
    def game(self) -> NormalFormGame:
        """The normal form, of a tree the reduced one; SolverError where that is too large."""
        if self.tree is not None:
            game = reduced_normal_form(self.tree, time_limit=self.share)
        else:
            assert isinstance(self._given, NormalFormGame)
            game = self._given
        return game.rational() if game.payoffs.size <= EXACT_LIMIT else game

    @cached_property
    def equilibria(self) -> EquilibriumSet:
        """All equilibria that can be found in the time; SolverError where that was tried before in vain."""
        if "mixed" in self._failed:
            raise SolverError("the equilibria that this needs could not be computed")
        return mixed_equilibria(self.game, time_limit=self.share)

    @cached_property
    def security_levels(self) -> list[Number]:
        """What each player can secure against all others together; SolverError where time is over."""
        return [security_level(self.game, p, time_limit=self.share).value for p in range(len(self.game.shape))]

    @cached_property
    def sequence_form(self) -> BehaviorEquilibrium:
        """The zero-sum tree's equilibrium in behavior strategies; SolverError for any other game, or tried in vain."""
        if "sequence_form" in self._failed:
            raise SolverError("the equilibrium in behavior strategies that this needs could not be computed")
        return zero_sum_equilibrium(self.needed_tree, time_limit=self.share)

    @property
    def needed_tree(self) -> ExtensiveGame:
        """`tree`, with SolverError where there is none."""
        if self.tree is None:
            raise SolverError("undefined: this needs a game tree, as .efg files hold it")
        return self.tree


@dataclass(frozen=True, slots=True)
class Concept:
    """Fields of the record, and the function that gives them; `of_trees` where only a tree has them."""

    fields: tuple[str, ...]
    compute: Callable[[Solving], dict[str, Any]]
    of_trees: bool = False


def plain(value: Number | None) -> int | float | None:
    """A JSON number: whole ones as int, fractions as the nearest float."""
    if value is None:
        return None
    if isinstance(value, int | Fraction):
        return int(value) if value == int(value) else float(value)
    return float(value)


def held(value: Number) -> str | float:
    """A number without loss: Fractions as text ("9/4"), floats as they are."""
    return str(value) if isinstance(value, int | Fraction) else float(value)


def released(value: str | float) -> float:
    """The float nearest to what `held` holds."""
    return float(Fraction(value)) if isinstance(value, str) else value
