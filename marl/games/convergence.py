"""Whether policies settled over training, still move, or go round: from their distributions and their payoffs.

Behavior moves by the total variation distance between what two checkpoints would do in the same situations. Payoffs
tell whether later checkpoints are better against earlier ones, or whether what beats what goes in a circle (Balduzzi et
al. 2019, "Open-ended learning in symmetric zero-sum games"). Both come with intervals that hold for all pairs at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import networkx as nx
import numpy as np

from marl.errors import SolverError
from marl.games.convergence_words import convergence_sentences
from marl.games.empirical import EmpiricalGame
from marl.games.intervals import critical_value
from marl.games.regret import joint_regret, pure_joint

Verdict = Literal["converged", "moves", "cycles", "undecided"]
LEAST = 3
"""Checkpoints without which nothing is said: two steps."""


@dataclass(frozen=True)
class Intervals:
    """Estimates of pairs of checkpoints, [checkpoints, checkpoints] each; all intervals cover at once."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def total_variation(one: Sequence[np.ndarray], two: Sequence[np.ndarray]) -> np.ndarray:
    """Half the sum of absolute differences of two distributions, for each of S situations: [S], from 0 to 1."""
    return np.array([np.abs(p - q).sum() / 2 for p, q in zip(one, two, strict=True)])


def distances(
    play: Sequence[Sequence[np.ndarray]], groups: Sequence[int], *, confidence: float, rng: np.random.Generator
) -> Intervals:
    """Mean total variation distance between any two checkpoints over situations.

    `play` holds for each of T checkpoints its distributions in the same S situations; `groups` [S] says which episode a
    situation is from, since those of one episode are no independent sample. Raises SolverError below two episodes.
    """
    owner = np.unique(np.asarray(groups), return_inverse=True)[1]
    count, size = int(owner.max(initial=-1)) + 1, len(play)
    if count < 2:
        raise SolverError(f"distances need situations from 2 episodes at least; given {count}")
    pairs = [(i, j) for i in range(size) for j in range(i)]
    found = np.array([total_variation(play[i], play[j]) for i, j in pairs])
    sums, number = np.zeros((count, len(pairs))), np.bincount(owner)
    np.add.at(sums, owner, found.T)
    mean = found.mean(axis=1)
    errors = (sums - number[:, None] * mean) / number.mean()
    covariance = errors.T @ errors / (count * (count - 1))
    margin = critical_value(covariance, count - 1, confidence, rng) * np.sqrt(np.diag(covariance))
    tables = np.zeros((3, size, size))
    for k, (i, j) in enumerate(pairs):
        bounds = mean[k], max(mean[k] - margin[k], 0.0), min(mean[k] + margin[k], 1.0)
        tables[:, i, j] = tables[:, j, i] = bounds
    return Intervals(*tables)


def replacement_gains(game: EmpiricalGame, *, confidence: float, rng: np.random.Generator) -> Intervals:
    """What is gained by checkpoint i in a world of checkpoint j: [i, j], the sum over players of what each gains alone
    by playing i where all play j. With payoffs of sum zero, what i wins from j.

    Every player's strategies are the checkpoints. Raises SolverError where a profile that this needs is missing.
    """
    size, players = game.shape[0], len(game.shape)
    pairs = [(i, j) for i in range(size) for j in range(size) if i != j]
    weights: dict[tuple[int, ...], np.ndarray] = {}
    for k, (i, j) in enumerate(pairs):
        world = (j,) * players
        for player in range(players):
            alone = (*world[:player], i, *world[player + 1 :])
            for profile, sign in ((alone, 1.0), (world, -1.0)):
                weights.setdefault(profile, np.zeros((len(pairs), players)))[k, player] += sign
    gains, covariance = game.estimate(weights)
    degrees = min(len(game.samples[profile]) for profile in weights) - 1
    fixed = np.diag(covariance) <= game.resolution**2
    covariance[fixed, :] = covariance[:, fixed] = 0.0
    margin = critical_value(covariance, degrees, confidence, rng) * np.sqrt(np.diag(covariance))
    tables = np.zeros((3, size, size))
    for k, (i, j) in enumerate(pairs):
        tables[:, i, j] = gains[k], gains[k] - margin[k], gains[k] + margin[k]
    tables[np.abs(tables) <= game.resolution] = 0.0
    return Intervals(*tables)


def circles(gains: Intervals) -> list[list[int]]:
    """Sets of three or more checkpoints, each of which gains, beyond doubt, in the world of another one of the set, so
    that one comes back to where one was: strongly connected components of "gains in the world of".
    """
    graph = nx.from_numpy_array((gains.low > 0).T, create_using=nx.DiGraph)
    return sorted(sorted(part) for part in nx.strongly_connected_components(graph) if len(part) >= 3)


def returns(moved: Intervals, tolerance: float) -> list[tuple[int, int, int]]:
    """Checkpoints (s, u, t) in order of time: at u the policy had gone from s, by more than `tolerance`, and at t it is
    back, no further from s than half of that; beyond doubt both.
    """
    found = []
    for s in range(len(moved.mean)):
        for t in range(s + 2, len(moved.mean)):
            u = s + 1 + int(np.argmax(moved.low[s, s + 1 : t]))
            if moved.low[s, u] > tolerance and moved.high[s, t] < moved.low[s, u] / 2:
                found.append((s, u, t))
    return found


def convergence(
    iterations: Sequence[int],
    moved: Intervals,
    game: EmpiricalGame,
    *,
    nash_conv: Sequence[tuple[int, float]] = (),
    tolerance: float = 0.05,
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """All that is known about how policies moved over the checkpoints after `iterations`, as plain data.

    `moved` are their `distances`, `game` has them as every player's strategies, `nash_conv` lists exact values by
    iteration where there are any; without, the gains of switching among checkpoints are a lower bound. `verdict`, of
    the last third of the checkpoints: "converged" where no step, and not all of them together, went further than
    `tolerance`; "cycles" where payoffs go in a circle with one of them or play came back to where it was; "moves" where
    it surely went further; else "undecided". Raises SolverError for fewer than three checkpoints.
    """
    size = len(iterations)
    if size < LEAST or len(moved.mean) != size or set(game.shape) != {size}:
        raise SolverError(
            f"convergence needs {LEAST} checkpoints or more, with distances and payoffs for each; given {size}, "
            f"distances of {len(moved.mean)} and a game of {game.shape}"
        )
    gains = replacement_gains(game, confidence=confidence, rng=rng)
    start = min(size - 1 - size // 3, size - 3)
    later = [(i, j) for i in range(size) for j in range(i)]
    found: dict[str, Any] = {
        "iterations": list(iterations),
        "tolerance": tolerance,
        "confidence": confidence,
        "steps": [_pair(iterations, moved, t, t + 1) for t in range(size - 1)],
        "net": _pair(iterations, moved, start, size - 1),
        "distances": moved.mean.tolist(),
        "gains": {name: getattr(gains, name).tolist() for name in ("mean", "low", "high")},
        "pairs": {
            "all": len(later),
            "later_gains": sum(bool(gains.low[i, j] > 0) for i, j in later),
            "later_loses": sum(bool(gains.high[i, j] < 0) for i, j in later),
        },
        "circles": [[iterations[k] for k in part] for part in circles(gains)],
        "returns": [[iterations[k] for k in place] for place in returns(moved, tolerance)],
        "nash_conv": {
            "exact": [{"iteration": iteration, "value": value} for iteration, value in nash_conv],
            "lower_bound": [_bound(game, k, iterations[k], confidence, rng) for k in range(size)],
        },
    }
    found["verdict"] = _verdict(found)
    found["summary"] = convergence_sentences(found)
    return found


def _pair(iterations: Sequence[int], moved: Intervals, s: int, t: int) -> dict[str, Any]:
    bounds = {name: float(getattr(moved, name)[s, t]) for name in ("mean", "low", "high")}
    return {"from": iterations[s], "to": iterations[t], **bounds}


def _bound(game: EmpiricalGame, k: int, iteration: int, confidence: float, rng: np.random.Generator) -> dict[str, Any]:
    joint = pure_joint((k,) * len(game.shape), game.shape)
    mean, low, high = joint_regret(game, joint, confidence=confidence, rng=rng).nash_conv
    return {"iteration": iteration, "mean": mean, "low": low, "high": high}


def _verdict(found: dict[str, Any]) -> Verdict:
    net, tolerance = found["net"], found["tolerance"]
    window = [net, *(step for step in found["steps"] if step["from"] >= net["from"])]
    if all(step["high"] <= tolerance for step in window):
        return "converged"
    late = [part for part in (*found["circles"], *found["returns"]) if max(part) > net["from"]]
    if late:
        return "cycles"
    return "moves" if any(step["low"] > tolerance for step in window) else "undecided"
