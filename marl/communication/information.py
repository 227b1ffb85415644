"""How much messages say about situations, held against what chance alone would seem to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from marl.errors import ParleyError

PERMUTATIONS = 9_999
_CELLS = 1_000_000


@dataclass(frozen=True, slots=True)
class MutualInformation:
    """I(situation; message) in bits beside its permutation null.

    `null_mean` and `null_high` are the mean and the 95 % quantile over random pairings of the same messages with the
    same situations, `p` the share of pairings that reach `bits` (the observed one counted, so never below 1e-4), and
    `max_bits` the entropy of the situations, which a code that names each of them attains.
    """

    bits: float
    null_mean: float
    null_high: float
    p: float
    max_bits: float

    def to_json(self) -> dict[str, float]:
        """The five fields as plain data."""
        return asdict(self)


def mutual_information(
    situations: Sequence[Any],
    messages: Sequence[Any],
    *,
    rng: np.random.Generator,
    permutations: int = PERMUTATIONS,
) -> MutualInformation:
    """Plug-in mutual information of two label sequences of equal length (n >= 1) with a permutation test.

    The plug-in estimate is biased upward, most when messages seldom repeat: 200 different messages that ignore four
    situations measure close to 2 bits. The null carries the same bias, so `bits` means nothing except against it.
    The test is the exact-level Monte Carlo one of Phipson and Smyth (2010): p = (1 + hits) / (1 + permutations).
    """
    if len(situations) != len(messages) or not situations:
        raise ParleyError(
            f"{len(situations)} situations and {len(messages)} messages do not pair up; give one of each an episode"
        )
    rows, columns = _codes(situations), _codes(messages)
    n, width = len(rows), int(columns.max()) + 1
    entropy_sum = _entropy(rows) + _entropy(columns)
    bits = entropy_sum - _entropy(rows * width + columns)
    null = np.empty(permutations)
    batch = max(1, _CELLS // n)
    for start in range(0, permutations, batch):
        count = min(batch, permutations - start)
        shuffled = rng.permuted(np.tile(columns, (count, 1)), axis=1)
        null[start : start + count] = entropy_sum - _joint_entropies(rows * width + shuffled)
    hits = int(np.sum(null >= bits - 1e-9))
    return MutualInformation(
        bits=max(0.0, float(bits)),
        null_mean=max(0.0, float(null.mean())),
        null_high=max(0.0, float(np.quantile(null, 0.95))),
        p=(1 + hits) / (1 + permutations),
        max_bits=max(0.0, float(_entropy(rows))),
    )


def _codes(labels: Sequence[Any]) -> np.ndarray:
    order = {label: code for code, label in enumerate(dict.fromkeys(labels))}
    return np.array([order[label] for label in labels], dtype=np.int64)


def _entropy(codes: np.ndarray) -> float:
    return float(_joint_entropies(codes[None, :])[0])


def _joint_entropies(codes: np.ndarray) -> np.ndarray:
    """Entropy in bits of each row of `codes` (shape [rows, n]); O(n log n) however many different codes there are.

    With the row sorted, the k-th member of a run of equal codes contributes k log k - (k - 1) log (k - 1), which sums
    to c log c over a run of c.
    """
    ordered = np.sort(codes, axis=1)
    n = codes.shape[1]
    places = np.arange(n)
    starts = np.concatenate([np.ones((len(codes), 1), dtype=bool), ordered[:, 1:] != ordered[:, :-1]], axis=1)
    rank = places - np.maximum.accumulate(np.where(starts, places, 0), axis=1)
    sizes = np.arange(n + 1, dtype=np.float64)
    weighted = sizes * np.log2(np.maximum(sizes, 1.0))
    return np.log2(n) - np.diff(weighted)[rank].sum(axis=1) / n
