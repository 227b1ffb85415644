"""Clusters of transcripts that were played by the same memory-one strategy.

A mixture of memory-one strategies fitted by expectation-maximization (Dempster, Laird & Rubin 1977); the number of
clusters is the one with the least BIC (Schwarz 1978).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from marl.errors import SolverError
from marl.games.repeated.memory_one import Counts

STARTS = 8
MOST_ROUNDS = 500
TOLERANCE = 1e-8
PRIOR = 0.5
"""Added to every count in the M-step (Jeffreys), so that no probability is 0 or 1."""

Fit = tuple[float, np.ndarray, np.ndarray, np.ndarray]
"""Log-likelihood, memberships, centers, shares."""


@dataclass(frozen=True, slots=True)
class Clustering:
    """`labels` int [transcripts], clusters in the order of their size, and `memberships` [transcripts, clusters].

    `centers` [clusters, 5] are probabilities of cooperating after each outcome and in the first round; `bic` maps each
    number of clusters that was tried to its criterion.
    """

    labels: np.ndarray
    memberships: np.ndarray
    centers: np.ndarray
    shares: np.ndarray
    bic: dict[int, float]


def cluster_play(counts: Sequence[Counts], *, rng: np.random.Generator, most: int = 10) -> Clustering:
    """Cluster players' counts, one per transcript and player, by the strategy that made them.

    1 to `most` clusters are tried, each from several starts, until BIC has risen twice in a row. First rounds count,
    too: they tell ALLD from GRIM where the other side never gives CC a chance. Raises SolverError without counts.
    """
    table = np.array([np.vstack([own.after, own.first]) for own in counts], dtype=np.float64)
    if not len(table) or most < 1:
        raise SolverError("nothing to cluster: give the counts of one transcript or more, and most >= 1")
    criterion: dict[int, float] = {}
    best: Fit | None = None
    for clusters in range(1, min(most, len(table)) + 1):
        found = max((_fit(table, clusters, rng) for _ in range(STARTS if clusters > 1 else 1)), key=lambda one: one[0])
        free = 5 * clusters + clusters - 1
        criterion[clusters] = free * float(np.log(table.sum())) - 2 * found[0]
        if best is None or criterion[clusters] < min(value for k, value in criterion.items() if k != clusters):
            best = found
        if clusters >= 3 and criterion[clusters] > criterion[clusters - 1] > criterion[clusters - 2]:
            break
    assert best is not None
    _, memberships, centers, shares = best
    labels = memberships.argmax(axis=1)
    order = np.argsort(-np.bincount(labels, minlength=len(centers)), kind="stable")
    memberships = memberships[:, order]
    return Clustering(memberships.argmax(axis=1), memberships, centers[order], shares[order], criterion)


def _fit(table: np.ndarray, clusters: int, rng: np.random.Generator) -> Fit:
    """One run of expectation-maximization."""
    centers = _spread(table, clusters, rng)
    shares, before = np.full(clusters, 1 / clusters), -np.inf
    for _ in range(MOST_ROUNDS):
        joint = np.log(np.maximum(shares, 1e-300)) + _scores(table, centers)
        each = logsumexp(joint, axis=1)
        memberships, reached = np.exp(joint - each[:, None]), float(each.sum())
        if reached - before < TOLERANCE * abs(reached):
            break
        before = reached
        shares = memberships.mean(axis=0)
        pooled = np.tensordot(memberships.T, table, axes=1) + PRIOR
        centers = pooled[..., 0] / pooled.sum(axis=-1)
    return reached, memberships, centers, shares


def _scores(table: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Log-likelihood of each transcript under each center: [transcripts, clusters]."""
    logs = np.stack([np.log(centers), np.log1p(-centers)], axis=-1)
    return np.tensordot(table, logs, axes=([1, 2], [1, 2]))


def _spread(table: np.ndarray, clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Starting centers: transcripts' own estimates, each new one likely to be one that the others explain badly."""
    smooth = table + PRIOR
    own = smooth[..., 0] / smooth.sum(axis=-1)
    logs = np.stack([np.log(own), np.log1p(-own)], axis=-1)
    ceiling = (table * logs).sum(axis=(1, 2))
    chosen = [int(rng.integers(len(table)))]
    while len(chosen) < clusters:
        loss = np.maximum(ceiling - _scores(table, own[chosen]).max(axis=1), 0.0) + 1e-9
        chosen.append(int(rng.choice(len(table), p=loss / loss.sum())))
    return own[chosen]
