"""Regret of a profile of an empirical game, with intervals that hold for all players and switches at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from marl.games.empirical import EmpiricalGame
from marl.games.intervals import simultaneous_margins, without_dust
from marl.games.normal_form import Profile

Distributions = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class PlayerRegret:
    """What one player could gain by switching alone: estimate and interval, both >= 0.

    `best_response` is the strategy with the largest mean; `unplayed` are strategies whose payoff against the profile
    is unknown, so that the regret is one among the others only.
    """

    mean: float
    low: float
    high: float
    best_response: int
    unplayed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ProfileRegret:
    """Regrets [players], and their sum (NashConv). All intervals cover at once with the confidence asked for."""

    players: tuple[PlayerRegret, ...]

    @property
    def nash_conv(self) -> tuple[float, float, float]:
        """Sum of the regrets: mean, low, high."""
        return (
            sum(own.mean for own in self.players),
            sum(own.low for own in self.players),
            sum(own.high for own in self.players),
        )

    @property
    def epsilon(self) -> float:
        """Upper bound on the largest regret: an epsilon-equilibrium of the true game, with the confidence asked for."""
        return max(own.high for own in self.players)


def deviation_weights(
    game: EmpiricalGame, joint: np.ndarray
) -> tuple[dict[Profile, np.ndarray], list[tuple[int, int]], list[tuple[int, int]], list[Profile]]:
    """The gains of all switches away from a distribution over profiles, `joint` [*strategies], as linear combinations
    of mean payoffs. Who switches plays one strategy, and the others what they would have played.

    Returns weights (for `EmpiricalGame.estimate`), the (player, strategy) of each combination, the switches that need
    a missing profile, and these profiles. A strategy that is played for sure is listed with weight zero.
    """
    known = game.known
    rows: list[tuple[int, int]] = []
    unknown: list[tuple[int, int]] = []
    needed = np.zeros(known.shape, dtype=bool)
    gains: list[np.ndarray] = []
    for player, size in enumerate(game.shape):
        others = joint.sum(axis=player)
        for strategy in range(size):
            gain = -joint
            gain[(slice(None),) * player + (strategy,)] += others
            if (gain[~known] != 0).any():
                unknown.append((player, strategy))
                needed |= (gain != 0) & ~known
            else:
                rows.append((player, strategy))
                gains.append(gain)
    empty = (len(rows), len(game.shape))
    weights = {tuple(p): np.zeros(empty) for p in np.argwhere(joint > 0).tolist()}
    for k, ((player, _), gain) in enumerate(zip(rows, gains, strict=True)):
        for place in np.argwhere(gain != 0).tolist():
            weights.setdefault(tuple(place), np.zeros(empty))[k, player] = gain[tuple(place)]
    return weights, rows, unknown, [tuple(place) for place in np.argwhere(needed).tolist()]


@dataclass(frozen=True, slots=True)
class Gains:
    """What switches gain: `means` [K] with simultaneous intervals of half-width `margins` [K].

    `rows` names each one's (player, strategy), `weights` the profiles that it takes its payoffs from. `unknown` are the
    switches that need a profile that was never played, `missing` those profiles.
    """

    means: np.ndarray
    margins: np.ndarray
    rows: list[tuple[int, int]]
    weights: dict[Profile, np.ndarray]
    unknown: list[tuple[int, int]]
    missing: list[Profile]


def deviation_gains(game: EmpiricalGame, joint: np.ndarray, *, confidence: float, rng: np.random.Generator) -> Gains:
    """The gains of all switches away from `joint` [*strategies]: estimates and c standard errors on either side, with
    the max-t `critical_value` c over all players and switches.

    Payoffs that never varied count as known. Raises SolverError where a needed profile has fewer than two episodes.
    """
    weights, rows, unknown, missing = deviation_weights(game, joint)
    gains, covariance = game.estimate(weights)
    gains[np.abs(gains) <= game.resolution] = 0.0
    covariance = without_dust(covariance, game.resolution)
    degrees = min(len(game.samples[p]) for p in weights) - 1
    margins = simultaneous_margins(covariance, degrees, confidence, rng)
    return Gains(gains, margins, rows, weights, unknown, missing)


def profile_regret(
    game: EmpiricalGame, profile: Distributions, *, confidence: float, rng: np.random.Generator
) -> ProfileRegret:
    """Each player's regret at a mixed profile (one distribution per player), with simultaneous intervals.

    See `joint_regret`.
    """
    return joint_regret(game, joint_of(profile), confidence=confidence, rng=rng)


def joint_regret(
    game: EmpiricalGame, joint: np.ndarray, *, confidence: float, rng: np.random.Generator
) -> ProfileRegret:
    """Each player's regret where profiles are drawn from `joint` [*strategies], correlated or not: the most that it
    could gain by one strategy of its own whatever is drawn (0 for all at a coarse correlated equilibrium).

    A regret's interval is that of the largest of its `deviation_gains`, cut at 0. The estimate itself leans upwards,
    being a maximum of noisy numbers. Raises SolverError where a needed profile has fewer than two episodes.
    """
    return regret_of(deviation_gains(game, joint, confidence=confidence, rng=rng))


def regret_of(gains: Gains) -> ProfileRegret:
    """The regrets of `joint_regret` from gains that are known."""
    players = []
    for player in sorted({owner for owner, _ in [*gains.rows, *gains.unknown]}):
        mine = [k for k, (owner, _) in enumerate(gains.rows) if owner == player]
        unplayed = tuple(strategy for owner, strategy in gains.unknown if owner == player)
        strategies = [gains.rows[k][1] for k in mine]
        players.append(_largest(gains.means[mine], gains.margins[mine], strategies, unplayed))
    return ProfileRegret(tuple(players))


def _largest(gains: np.ndarray, margin: np.ndarray, strategies: list[int], unplayed: tuple[int, ...]) -> PlayerRegret:
    low, high = float(np.max(gains - margin)), float(np.max(gains + margin))
    return PlayerRegret(
        mean=max(0.0, float(gains.max())),
        low=max(0.0, low),
        high=max(0.0, high),
        best_response=strategies[int(np.argmax(gains))],
        unplayed=unplayed,
    )


def pure_joint(profile: Profile, shape: Sequence[int]) -> np.ndarray:
    """The distribution over profiles [*strategies] that plays one of them for sure."""
    joint = np.zeros(tuple(shape))
    joint[tuple(profile)] = 1.0
    return joint


def joint_of(profile: Distributions) -> np.ndarray:
    """The probability of every pure profile: [*strategies]."""
    joint = np.ones(())
    for own in profile:
        joint = np.multiply.outer(joint, np.asarray(own, dtype=np.float64))
    return joint


def payoff_errors(game: EmpiricalGame, profile: Distributions) -> tuple[float, ...]:
    """The standard error of each player's payoff at a fixed mixed profile; SolverError below two episodes somewhere."""
    joint, players = joint_of(profile), len(profile)
    weights = {tuple(place): joint[tuple(place)] * np.eye(players) for place in np.argwhere(joint > 0).tolist()}
    return tuple(np.sqrt(np.diag(game.estimate(weights)[1])).tolist())


def gain_of_switch(game: EmpiricalGame, source: Profile, target: Profile, player: int) -> tuple[float, float]:
    """What `player` gains from `source` to `target`, and its standard error. SolverError below two episodes."""
    unit = np.zeros((1, len(game.shape)))
    unit[0, player] = 1.0
    gain, covariance = game.estimate({source: -unit, target: unit})
    return float(gain[0]), math.sqrt(float(covariance[0, 0]))
