"""An oracle that knows the whole game: best responses are exact, members are pure strategies of a payoff tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product

import numpy as np

from envs.kuhn_poker import expected_value, information_sets
from marl.games.meta_solver import MetaStrategy
from marl.games.normal_form import NormalFormGame
from marl.seeding import stream


class Killed(Exception):
    """What a run is ended with in the middle."""


class Tabular:
    """`payoffs` [players, *strategies]. Every population begins with strategy `start`.

    An episode pays the mean payoffs and what players win from each other by luck, part of it the same in all profiles.
    After `alive` calls of `play` or `respond` the next one raises Killed.
    """

    def __init__(
        self, payoffs: np.ndarray, populations: Mapping[str, str] | None = None, start: int = 0, noise: float = 0.0
    ) -> None:
        self.game = NormalFormGame(np.asarray(payoffs, dtype=float))
        names = [f"player_{i}" for i in range(len(self.game.shape))]
        self.populations: Mapping[str, str] = populations or dict(zip(names, names, strict=True))
        self.pure = {name: [start] for name in self.populations.values()}
        self.noise = noise
        self.played: list[tuple[int, ...]] = []
        self.broken: set[int] = set()
        self.alive: int | None = None

    def _live(self) -> None:
        if self.alive == 0:
            raise Killed
        self.alive = None if self.alive is None else self.alive - 1

    def members(self, population: str) -> int:
        return len(self.pure[population])

    def strategies(self, meta: MetaStrategy) -> np.ndarray:
        """The joint distribution over the game's own strategies."""
        joint = np.zeros(self.game.shape)
        for place in zip(*meta.joint.nonzero(), strict=True):
            own = tuple(self.pure[name][k] for name, k in zip(self.populations.values(), place, strict=True))
            joint[own] += meta.joint[place]
        return joint

    def answers(self, player: int, joint: np.ndarray) -> np.ndarray:
        """What each of the player's strategies gets [strategies] where the others play as in `joint`."""
        others = np.expand_dims(joint.sum(axis=player), player)
        return (self.game.payoffs[player] * others).sum(axis=tuple(a for a in range(joint.ndim) if a != player))

    def gains(self, meta: MetaStrategy) -> float:
        """What all players together gain by switching alone, each to its best strategy of the whole game, if it does
        gain: no fixed strategy may be worth what is drawn together.
        """
        joint = self.strategies(meta)
        own = (self.game.payoffs * joint).sum(axis=tuple(range(1, joint.ndim + 1)))
        return float(sum(max(0.0, self.answers(player, joint).max() - own[player]) for player in range(joint.ndim)))

    def respond(self, population: str, meta: MetaStrategy) -> None:
        self._live()
        joint, names = self.strategies(meta), self.populations.values()
        seats = [player for player, name in enumerate(names) if name == population]
        self.pure[population].append(int(np.argmax(sum(self.answers(player, joint) for player in seats))))

    def play(self, profile: tuple[int, ...], episodes: Sequence[int]):
        self._live()
        self.played.append(profile)
        own = tuple(self.pure[name][k] for name, k in zip(self.populations.values(), profile, strict=True))
        mean = self.game.payoffs[(slice(None), *own)]
        found = {episode: mean.tolist() for episode in episodes}
        for episode in episodes if self.noise else ():
            luck = stream(0, "seed", episode).standard_normal() + stream(0, "alone", episode, *own).standard_normal()
            found[episode] = (mean + self.noise * luck * (-1.0) ** np.arange(len(mean))).tolist()
        return found, {episode: "E: broken" for episode in episodes if episode in self.broken}

    def exact(self, meta: MetaStrategy) -> dict[str, float]:
        joint = self.strategies(meta)
        sides = [joint.sum(axis=tuple(a for a in range(joint.ndim) if a != i)).tolist() for i in range(joint.ndim)]
        return {"exact/nash_conv": float(self.game.nash_conv(sides))}


@cache
def kuhn() -> np.ndarray:
    """Kuhn poker as a matrix game of 64 by 64 pure plans: [2, 64, 64]."""
    names = information_sets()
    plans = list(product((0.0, 1.0), repeat=6))
    value = np.array([[expected_value(dict(zip(names, (*one, *two), strict=True))) for two in plans] for one in plans])
    return np.stack([value, -value])
