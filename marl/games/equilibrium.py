"""What every solver returns: profiles that carry their method, regret and exactness, and how complete the set is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from marl.games.normal_form import MixedProfile, NormalFormGame, Number, Profile

Complete = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Equilibrium:
    """One equilibrium. `regret` is the largest over players in the game that was solved; `exact` says that it is
    zero in rational arithmetic, and then `profile` (a distribution per player) and `payoffs` hold Fractions.
    """

    profile: tuple[tuple[Number, ...], ...]
    payoffs: tuple[Number, ...]
    regret: Number
    exact: bool
    method: str

    @property
    def support(self) -> tuple[tuple[int, ...], ...]:
        """Per player, the strategies played with positive probability."""
        return tuple(tuple(s for s, p in enumerate(own) if p > 0) for own in self.profile)

    @property
    def pure(self) -> Profile | None:
        """The strategy indices where every player plays one strategy for sure, else None."""
        support = self.support
        return tuple(own[0] for own in support) if all(len(own) == 1 for own in support) else None


@dataclass(frozen=True, slots=True)
class EquilibriumSet:
    """Equilibria in the order of their supports. `reason` says in words what `complete` rests on.

    For two players "complete" is about extreme equilibria: every equilibrium is a mixture of some that share a
    strategy. `degenerate` is None where it was not decided.
    """

    equilibria: tuple[Equilibrium, ...]
    complete: Complete
    reason: str
    degenerate: bool | None = None


def certify(game: NormalFormGame, profile: MixedProfile, method: str) -> Equilibrium:
    """The profile with its payoffs and regret recomputed in `game`; an exact game and profile stay exact."""
    distributions, payoffs, regrets = game.assess(profile)
    exact = game.exact and all(own.dtype == object for own in distributions) and max(regrets) == 0
    return Equilibrium(tuple(tuple(own.tolist()) for own in distributions), payoffs, max(regrets), exact, method)


def by_support(equilibrium: Equilibrium) -> tuple[int, tuple[tuple[int, ...], ...], tuple[float, ...]]:
    """Sort key: few strategies first, then the supports, then the probabilities."""
    support = equilibrium.support
    return sum(map(len, support)), support, tuple(-float(p) for own in equilibrium.profile for p in own)
