"""Memory-one strategies: how likely cooperation is after each outcome of the last round, and what two earn.

Sources: Nowak & Sigmund 1993, "A strategy of win-stay, lose-shift that outperforms tit-for-tat"; the Markov chain of
two such strategies: Press & Dyson 2012, "Iterated Prisoner's Dilemma contains strategies that dominate any
evolutionary opponent". Actions are 0 (cooperate, C) and 1 (defect, D); outcomes are in the order CC, CD, DC, DD, own
action first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.stats import beta

from marl.errors import SolverError

OUTCOMES = ("CC", "CD", "DC", "DD")
MIRRORED = np.array([0, 2, 1, 3])
"""An outcome as the other player sees it."""


@dataclass(frozen=True, slots=True)
class MemoryOne:
    """A strategy: `after` [4] the probability of cooperating after each outcome, `first` that of the first round."""

    after: np.ndarray
    first: float = 1.0

    def __post_init__(self) -> None:
        given = np.array([*self.after, self.first], dtype=np.float64)
        if given.shape != (5,) or not ((given >= 0) & (given <= 1)).all():
            raise SolverError(f"a memory-one strategy is 4 + 1 probabilities; given {self.after} and {self.first}")

    def noisy(self, error: float) -> MemoryOne:
        """The strategy of a player whose every intended action is swapped with probability `error`."""
        after = np.asarray(self.after)
        return MemoryOne(after * (1 - error) + (1 - after) * error, self.first * (1 - error) + (1 - self.first) * error)


@dataclass(frozen=True, slots=True)
class Counts:
    """What one player did in one or more transcripts.

    `after` int [4, 2] by last outcome and own next action; `first` int [2] by own first action.
    """

    after: np.ndarray
    first: np.ndarray

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.after + other.after, self.first + other.first)

    def estimate(self) -> MemoryOne:
        """The most likely strategy; 1/2 where an outcome was never met."""
        after = np.where(self.after.sum(axis=1) > 0, self.after[:, 0] / np.maximum(self.after.sum(axis=1), 1), 0.5)
        return MemoryOne(after, float(self.first[0] / self.first.sum()) if self.first.sum() else 0.5)

    def intervals(self, confidence: float = 0.95) -> np.ndarray:
        """Clopper-Pearson intervals for `after`, each with `confidence`: [4, low and high]; [0, 1] where never met."""
        if not 0 < confidence < 1:
            raise SolverError(f"confidence {confidence} must lie between 0 and 1")
        tail, (yes, no) = (1 - confidence) / 2, self.after.T
        with np.errstate(invalid="ignore"):
            low = np.where(yes == 0, 0.0, beta.ppf(tail, yes, no + 1))
            high = np.where(no == 0, 1.0, beta.ppf(1 - tail, yes + 1, no))
        return np.stack([low, high], axis=1)


def count_play(transcript: Sequence[Sequence[int]], player: int = 0) -> Counts:
    """Counts of one player in a transcript [rounds, 2] of both players' actions. SolverError for anything else."""
    actions = np.asarray(transcript)
    if actions.ndim != 2 or actions.shape[1] != 2 or not np.isin(actions, (0, 1)).all() or player not in (0, 1):
        raise SolverError(f"a transcript is [rounds, 2] of 0 (C) and 1 (D), seen by 0 or 1; given {actions.shape}")
    own, other = actions[:, player].astype(int), actions[:, 1 - player].astype(int)
    after, first = np.zeros((4, 2), dtype=int), np.zeros(2, dtype=int)
    np.add.at(after, (2 * own[:-1] + other[:-1], own[1:]), 1)
    np.add.at(first, own[:1], 1)
    return Counts(after, first)


def total(counts: Iterable[Counts]) -> Counts:
    """All counts together."""
    return sum(counts, start=Counts(np.zeros((4, 2), dtype=int), np.zeros(2, dtype=int)))


def play(one: MemoryOne, other: MemoryOne, rounds: int, rng: np.random.Generator) -> np.ndarray:
    """A random transcript: int [rounds, 2]."""
    actions = np.empty((rounds, 2), dtype=int)
    chances = (one.first, other.first)
    for row in actions:
        row[:] = rng.random(2) >= chances
        outcome = 2 * row[0] + row[1]
        chances = (one.after[outcome], other.after[MIRRORED[outcome]])
    return actions


def transition_matrix(one: MemoryOne, other: MemoryOne) -> np.ndarray:
    """The chain over outcomes, seen by `one`: [4, 4] (Press & Dyson 2012, the matrix M)."""
    p, q = np.asarray(one.after), np.asarray(other.after)[MIRRORED]
    return np.stack([p * q, p * (1 - q), (1 - p) * q, (1 - p) * (1 - q)], axis=1)


def outcome_shares(one: MemoryOne, other: MemoryOne, discount: float | None = None) -> np.ndarray:
    """The share of rounds with each outcome [4], seen by `one`, exactly.

    `discount` in [0, 1): rounds weigh (1 - d) d^t. None: the limit of means, from the first round on, so that a chain
    with several recurrent classes gives the mixture that the first moves lead to.
    """
    chain = transition_matrix(one, other)
    p, q = one.first, other.first
    start = np.array([p * q, p * (1 - q), (1 - p) * q, (1 - p) * (1 - q)])
    if discount is None:
        return start @ _limit_of_means(chain)
    if not 0 <= discount < 1:
        raise SolverError(f"discount {discount} must be in [0, 1), or None for the limit of means")
    return (1 - discount) * np.linalg.solve((np.eye(4) - discount * chain).T, start)


def average_payoffs(
    one: MemoryOne, other: MemoryOne, payoffs: np.ndarray, discount: float | None = None
) -> tuple[float, float]:
    """What `one` and `other` get per round in the symmetric stage game with row payoffs `payoffs` [2, 2]."""
    shares = outcome_shares(one, other, discount)
    flat = np.asarray(payoffs, dtype=np.float64).ravel()
    return float(shares @ flat), float(shares @ flat[MIRRORED])


def _limit_of_means(chain: np.ndarray) -> np.ndarray:
    """The limit of the average of the powers of `chain` [4, 4]: reaching a recurrent class, then its shares."""
    number, label = connected_components(chain > 0, connection="strong")
    limit = np.zeros_like(chain)
    closed = [k for k in range(number) if not chain[np.ix_(label == k, label != k)].any()]
    transient = np.flatnonzero(~np.isin(label, closed))
    for k in closed:
        members = np.flatnonzero(label == k)
        system = np.vstack([(chain[np.ix_(members, members)] - np.eye(len(members))).T[1:], np.ones(len(members))])
        shares = np.linalg.solve(system, np.eye(len(members))[-1])
        reach = np.zeros(len(chain))
        reach[members] = 1.0
        if len(transient):
            inner = np.eye(len(transient)) - chain[np.ix_(transient, transient)]
            reach[transient] = np.linalg.solve(inner, chain[np.ix_(transient, members)].sum(axis=1))
        limit[:, members] += np.outer(reach, shares)
    return limit
