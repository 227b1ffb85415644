"""From transcripts of repeated play to the strategies behind them, the game between those, and what is stable in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2_contingency

from marl.errors import SolverError
from marl.games.repeated.clustering import Clustering, cluster_play
from marl.games.repeated.memory_one import Counts, MemoryOne, average_payoffs, count_play, total
from marl.games.repeated.strategies import NONE, PRISONERS_DILEMMA, PURE, Naming, name_strategy
from marl.games.replicator import RestPoint, rest_points
from marl.games.symmetric import SymmetricGame


@dataclass(frozen=True, slots=True)
class RecoveredStrategy:
    """One cluster: its pooled `counts`, its `naming`, and the `strategy` that stands for it, errors included.

    Where a name was given that is the named strategy with its error, else the most likely memory-one strategy, to which
    `intervals` [4, 2] belong. Where errors of the deterministic strategies do not differ, all get the common one, so
    that chance does not break ties between their payoffs.
    """

    label: str
    naming: Naming
    counts: Counts
    intervals: np.ndarray
    strategy: MemoryOne


@dataclass(frozen=True, slots=True)
class RecoveredPlay:
    """`owners` int [transcripts, 2]: the index in `strategies` of each player of each transcript."""

    strategies: tuple[RecoveredStrategy, ...]
    owners: np.ndarray
    clustering: Clustering
    payoffs: np.ndarray

    def game(self, discount: float | None = None) -> SymmetricGame:
        """The game between the recovered strategies, see `strategy_game`."""
        labels = [own.label for own in self.strategies]
        return strategy_game([own.strategy for own in self.strategies], labels, self.payoffs, discount)


def recover_strategies(
    transcripts: Sequence[Sequence[Sequence[int]]],
    payoffs: np.ndarray = PRISONERS_DILEMMA,
    *,
    rng: np.random.Generator,
    most: int = 10,
    confidence: float = 0.95,
) -> RecoveredPlay:
    """Cluster both players of all transcripts ([rounds, 2] each) by strategy, and name each cluster.

    A player is taken to keep to one strategy within a transcript. Clusters of one name get numbers. Raises SolverError
    for a transcript of fewer than two rounds and as `count_play`, `cluster_play` and `name_strategy` do.
    """
    if any(len(transcript) < 2 for transcript in transcripts):
        raise SolverError("a transcript of fewer than 2 rounds says nothing about a strategy; leave it out")
    counts = [count_play(transcript, player) for transcript in transcripts for player in (0, 1)]
    clustering = cluster_play(counts, rng=rng, most=most)
    groups = [
        total(own for own, label in zip(counts, clustering.labels, strict=True) if label == cluster)
        for cluster in range(int(clustering.labels.max()) + 1)
    ]
    namings = [name_strategy(pooled, payoffs) for pooled in groups]
    common = common_error(namings, groups)
    found: list[RecoveredStrategy] = []
    for pooled, naming in zip(groups, namings, strict=True):
        same = sum(other.naming.name == naming.name for other in found)
        label = naming.name if not same else f"{naming.name} ({same + 1})"
        found.append(RecoveredStrategy(label, naming, pooled, pooled.intervals(confidence), _stand_in(naming, common)))
    owners = clustering.labels.reshape(-1, 2)
    return RecoveredPlay(tuple(found), owners, clustering, np.asarray(payoffs, dtype=np.float64))


def common_error(namings: Sequence[Naming], groups: Sequence[Counts], significance: float = 0.01) -> float | None:
    """The error rate that all clusters with a deterministic name share; None where a G-test finds that they differ."""
    pairs = [
        (naming.best.error * pooled.after.sum(), (1 - naming.best.error) * pooled.after.sum())
        for naming, pooled in zip(namings, groups, strict=True)
        if naming.name in PURE
    ]
    table = np.array(pairs).reshape(-1, 2)
    if not table[:, 0].any():
        return 0.0
    if len(table) > 1 and chi2_contingency(table, lambda_="log-likelihood").pvalue < significance:
        return None
    return float(table[:, 0].sum() / table.sum())


def _stand_in(naming: Naming, common: float | None) -> MemoryOne:
    if naming.name == NONE:
        return naming.free
    error = naming.best.error if common is None or naming.name not in PURE else common
    return naming.best.strategy.noisy(error)


def strategy_game(
    strategies: Sequence[MemoryOne],
    labels: Sequence[str],
    payoffs: np.ndarray = PRISONERS_DILEMMA,
    discount: float | None = None,
) -> SymmetricGame:
    """The two-player game in which everybody chooses a memory-one strategy for all rounds: exact average payoffs.

    `payoffs` [2, 2] are the stage game's; `discount` as in `outcome_shares`.
    """
    matrix = [[average_payoffs(one, other, payoffs, discount)[0] for other in strategies] for one in strategies]
    return SymmetricGame.from_matrix(np.array(matrix), list(labels))


def invaders(game: SymmetricGame, resident: int) -> list[int]:
    """The pure strategies that a population of `resident` cannot keep out (Maynard Smith & Price 1973).

    Those that earn more against the resident than it does itself, or as much and then at least as much as it does
    against themselves. None of them: no single other strategy invades.
    """
    matrix, margin = game.matrix, 1e-9 * max(1.0, float(np.abs(game.matrix).max()))
    found = []
    for mutant in (s for s in range(len(matrix)) if s != resident):
        at_first = matrix[mutant, resident] - matrix[resident, resident]
        later = matrix[mutant, mutant] - matrix[resident, mutant]
        if at_first > margin or (abs(at_first) <= margin and later >= -margin):
            found.append(mutant)
    return found


def stable_states(game: SymmetricGame) -> list[RestPoint]:
    """The replicator dynamics' rest points that are asymptotically stable: where a population stays."""
    return [point for point in rest_points(game) if point.stability == "stable"]
