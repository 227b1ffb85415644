"""`choose`: the distribution over a list of legal texts, the prompt and every shared stem read once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch

from marl.models.forward import Reader
from marl.models.scoring import Query, Scorer

LOGITS_A_READ = 1 << 26
"""Logits (places times vocabulary) that are held at a time; larger requests are split."""


def choose(reader: Reader, queries: Sequence[Query], scorer: Scorer) -> list[np.ndarray]:
    """Log-probabilities over each query's options; equal queries are computed once."""
    number: dict[Query, int] = {}
    which = [number.setdefault(query, len(number)) for query in queries]
    results: list[np.ndarray] = []
    for part in _parts(list(number), reader.vocabulary):
        results += _choose(reader, part, scorer)
    return [results[index] for index in which]


def _parts(queries: list[Query], vocabulary: int) -> Iterator[list[Query]]:
    """The queries in pieces that want LOGITS_A_READ logits at most (one query may want more)."""
    start, wanted = 0, 0
    for index, query in enumerate(queries):
        more = vocabulary * sum(map(len, query.options))
        if index > start and wanted + more > LOGITS_A_READ:
            yield queries[start:index]
            start, wanted = index, 0
        wanted += more
    if start < len(queries):
        yield queries[start:]


def _choose(reader: Reader, queries: Sequence[Query], scorer: Scorer) -> list[np.ndarray]:
    readings = [scorer.readings(query) for query in queries]
    flat = [reading for group in readings for reading in group]
    if not flat:  # nothing is open anywhere
        return [np.zeros(1) for _ in queries]
    with torch.inference_mode():
        logits, places = reader.read(flat)
        table = scorer.table(logits, queries, group(places, readings)).cpu().double().numpy()
    return [row[: len(query.options)] for row, query in zip(table, queries, strict=True)]


def group(places: Sequence[np.ndarray], readings: Sequence[Sequence[object]]) -> list[Sequence[np.ndarray]]:
    """The `places` of all readings, in one list for each query."""
    ends = np.cumsum([0, *(len(given) for given in readings)])
    return [places[start:end] for start, end in pairwise(ends)]
