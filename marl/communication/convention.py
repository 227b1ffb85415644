"""Naming a convention: which situations a listener can tell apart by one sender's messages.

Two situations are told apart when a listener who hears one message, and knows how often each is said in either, names
the right one of the two in at least three of four cases. Each message is judged on the other episodes only (leave one
out): a message never heard before is a coin toss, so that a sender who never repeats itself tells nothing, however
much mutual information it measures. Situations that are not told apart, directly or through others, are pooled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import networkx as nx

from marl.errors import ParleyError

ConventionName = Literal["separating", "partial pooling", "pooling", "babbling", "silent"]

ACCURACY = 0.75
SAME_MESSAGE = 0.9


@dataclass(frozen=True, slots=True)
class Convention:
    """A sender's convention. `groups` are the classes of situations that its messages pool, singletons included.

    `told_apart` counts the situations that are told apart from every other one (the singletons).
    """

    name: ConventionName
    told_apart: int
    groups: tuple[tuple[str, ...], ...]


def name_convention(situations: Sequence[str], signals: Sequence[str], *, p: float, level: float) -> Convention:
    """Name the convention of `signals` (one an episode), given the p-value of their mutual information.

    - silent: nothing was ever said;
    - separating: every situation (two or more) is told apart from every other one;
    - partial pooling: some pairs of situations are told apart, but not all;
    - pooling: no pair is, and nine of ten messages are the same one;
    - babbling: no pair is, and messages vary.

    Above `level`, p overrules any pair that seems told apart. Raises ParleyError for sequences of different length.
    """
    if len(situations) != len(signals) or not signals:
        raise ParleyError(f"{len(situations)} situations and {len(signals)} signals: give one of each an episode")
    every = tuple(sorted(set(situations)))
    if not any(signals):
        return Convention("silent", 0, (every,))
    groups = pooled_groups(situations, signals) if p <= level else (every,)
    told_apart = sum(len(group) == 1 for group in groups) if len(every) > 1 else 0
    if told_apart == len(every):
        return Convention("separating", told_apart, groups)
    if len(groups) > 1:
        return Convention("partial pooling", told_apart, groups)
    most = Counter(signals).most_common(1)[0][1]
    return Convention("pooling" if most >= SAME_MESSAGE * len(signals) else "babbling", 0, groups)


def pooled_groups(situations: Sequence[str], signals: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The classes of situations that are not told apart, each sorted, largest last."""
    said: dict[str, Counter[str]] = {situation: Counter() for situation in sorted(set(situations))}
    for situation, text in zip(situations, signals, strict=True):
        said[situation][text] += 1
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(said)
    graph.add_edges_from(
        (one, other) for one, other in combinations(said, 2) if pair_accuracy(said[one], said[other]) < ACCURACY
    )
    return tuple(sorted((tuple(sorted(group)) for group in nx.connected_components(graph)), key=lambda g: (len(g), g)))


def pair_accuracy(one: Counter[str], other: Counter[str]) -> float:
    """Share of messages, the two situations weighing the same, from which a listener names the right one of the two.

    `one` and `other` count the messages said in either situation. Closed forms: 1 for codes without overlap and at
    least two uses of each message, 1/2 for messages that are all different, at most 1/2 for equal counts in both.
    """
    return (_recall(one, other) + _recall(other, one)) / 2


def _recall(own: Counter[str], other: Counter[str]) -> float:
    n, m = own.total(), other.total()
    right = 0.0
    for text, count in own.items():
        here = (count - 1) / (n - 1) if n > 1 else 0.0
        there = other[text] / m
        right += count * (1.0 if here > there else 0.5 if here == there else 0.0)
    return right / n
