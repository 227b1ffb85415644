"""Extensive-form games: a tree of chance moves, decisions in information sets, and payoffs at its ends.

Source: Kuhn 1953, "Extensive games and the problem of information"; the sequences of a player, by which every algorithm
here works, von Stengel 1996, "Efficient computation of behavior strategies".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from marl.errors import SolverError
from marl.games.extensive.nodes import Chance, Decision, Node, Terminal, checked
from marl.games.normal_form import RELATIVE_RESOLUTION, Number, rationalize

MAX_NODES = 1_000_000


@dataclass(frozen=True, slots=True)
class InformationSet:
    """The nodes that a player cannot tell apart.

    A player's sequence is its way of own actions from the root; sequence 0 is the empty one. `parent` is the sequence
    that leads here, and action a makes the sequence `first + a`.
    """

    name: str
    player: int
    actions: tuple[str, ...]
    parent: int
    first: int
    nodes: tuple[int, ...]

    @property
    def sequences(self) -> slice:
        """The sequences that end with an action here."""
        return slice(self.first, self.first + len(self.actions))


_Open = tuple[int, tuple[int, ...], Number]
"""A node that waits for children: its index, the players' sequences there, the probability of chance so far."""


class ExtensiveGame:
    """A finite game in extensive form with perfect recall: nobody forgets what it knew or did.

    `nodes` are given in prefix order, as in a file of Gambit's. Payoffs and probabilities may be whole numbers,
    Fractions, strings such as "9/4", or floats; one float makes the game floating. `places` says how errors call the
    nodes ("node 0", ... by default).

    | attribute | is |
    |---|---|
    | `children` | for each node the indices of its children, in the order of its actions |
    | `information_sets` | for each player, in the order in which the tree first shows them |
    | `sequence_counts` | for each player, how many sequences it has, the empty one included |
    | `leaf_sequences` | int [leaves, players]: each player's sequence at every end, in prefix order |
    | `leaf_chance` | [leaves]: probability that chance allows the end |
    | `leaf_payoffs` | [players, leaves] |

    The last two are Fractions (dtype object) where `exact`, else float64. Raises SolverError for a tree that ends early
    or goes on too long, for nodes that do not fit, chance that does not sum to 1, information sets whose nodes differ
    in player or actions, and imperfect recall.
    """

    def __init__(
        self, players: Sequence[str], nodes: Sequence[Node], title: str = "", *, places: Sequence[str] | None = None
    ) -> None:
        self.players, self.title = tuple(players), title
        if not self.players or len(set(self.players)) != len(self.players):
            raise SolverError(f"players {self.players} do not fit: give at least one, each with a name of its own")
        if not 1 <= len(nodes) <= MAX_NODES:
            raise SolverError(f"a tree needs 1 to {MAX_NODES} nodes; given {len(nodes)}")
        self._places = places
        self.nodes = tuple(checked(node, len(self.players), self._place(k)) for k, node in enumerate(nodes))
        numbers = (x for node in self.nodes if not isinstance(node, Decision) for x in _numbers(node))
        self.exact = not any(isinstance(x, float) for x in numbers)
        self._walk()

    def __repr__(self) -> str:
        sets = [len(own) for own in self.information_sets]
        return f"ExtensiveGame(players={self.players}, nodes={len(self.nodes)}, sets={sets}, exact={self.exact})"

    @property
    def perfect_information(self) -> bool:
        """Whether everyone always knows all that has happened: every information set is a single node."""
        return all(len(one.nodes) == 1 for own in self.information_sets for one in own)

    @property
    def constant_sum(self) -> Number | None:
        """What the two players' payoffs sum to at every end, where they do (floats within a rounding), else None."""
        if len(self.players) != 2:
            return None
        totals = self.leaf_payoffs.sum(axis=0)
        margin = 0 if self.exact else 4 * self.resolution
        return totals[0] if totals.max() - totals.min() <= margin else None

    @property
    def resolution(self) -> float:
        """Differences of payoffs up to this are roundings: 0 for an exact game."""
        return 0.0 if self.exact else RELATIVE_RESOLUTION * float(np.max(np.abs(self.leaf_payoffs)))

    def rational(self) -> ExtensiveGame:
        """The game with every number a Fraction, by `rationalize`, chance scaled to sum to 1; exact: unchanged."""
        return self if self.exact else self._rational

    @cached_property
    def _rational(self) -> ExtensiveGame:
        tolerance = Fraction(self.resolution)
        nodes: list[Node] = []
        for node in self.nodes:
            if isinstance(node, Terminal):
                node = Terminal(tuple(_fraction(u, tolerance) for u in node.payoffs))
            elif isinstance(node, Chance):
                shares = [_fraction(p, Fraction(RELATIVE_RESOLUTION)) for p in node.probabilities]
                node = Chance(node.actions, tuple(share / sum(shares) for share in shares))
            nodes.append(node)
        return ExtensiveGame(self.players, nodes, self.title)

    @cached_property
    def floats(self) -> tuple[np.ndarray, np.ndarray]:
        """`leaf_chance` and `leaf_payoffs` as float64."""
        return self.leaf_chance.astype(np.float64), self.leaf_payoffs.astype(np.float64)

    def _place(self, k: int) -> str:
        return f"node {k}" if self._places is None else self._places[k]

    def _walk(self) -> None:
        """Follow the tree: children, information sets and, for every end, chance and the players' sequences."""
        children: list[list[int]] = [[] for _ in self.nodes]
        sets: list[dict[str, InformationSet]] = [{} for _ in self.players]
        members: list[dict[str, list[int]]] = [{} for _ in self.players]
        counts = [1] * len(self.players)
        leaves: list[tuple[tuple[int, ...], Number, Terminal]] = []
        one: Number = Fraction(1) if self.exact else 1.0
        open_nodes: list[_Open] = []
        for k, node in enumerate(self.nodes):
            sequences, chance = self._arrive(k, open_nodes, children, sets) if k else ((0,) * len(self.players), one)
            if isinstance(node, Terminal):
                leaves.append((sequences, chance, node))
                continue
            if isinstance(node, Decision):
                self._enter(k, node, sequences[node.player], sets[node.player], counts)
                members[node.player].setdefault(node.information_set, []).append(k)
            open_nodes.append((k, sequences, chance))
        if open_nodes:
            last = open_nodes[-1][0]
            count = f"{len(children[last])} of {len(_actions(self.nodes[last]))} children"
            raise SolverError(f"the tree ends early: {self._place(last)} has {count}; give all")
        self.children = tuple(map(tuple, children))
        self.information_sets = tuple(
            tuple(replace(one, nodes=tuple(members[one.player][name])) for name, one in own.items()) for own in sets
        )
        self.sequence_counts = tuple(counts)
        self.leaf_sequences = np.array([row for row, _, _ in leaves], dtype=np.int64)
        kind = object if self.exact else np.float64
        self.leaf_chance = np.array([chance for _, chance, _ in leaves], dtype=kind)
        self.leaf_payoffs = np.array([node.payoffs for _, _, node in leaves], dtype=kind).T
        for held in (self.leaf_sequences, self.leaf_chance, self.leaf_payoffs):
            held.setflags(write=False)

    def _arrive(
        self, k: int, open_nodes: list[_Open], children: list[list[int]], sets: list[dict[str, InformationSet]]
    ) -> tuple[tuple[int, ...], Number]:
        """Make the node the next child of the node that waits for one; the players' sequences and chance there."""
        if not open_nodes:
            raise SolverError(f"{self._place(k)} comes after the end of the tree; drop it or give the node above it")
        parent, sequences, chance = open_nodes[-1]
        before, action = self.nodes[parent], len(children[parent])
        children[parent].append(k)
        if action + 1 == len(_actions(before)):
            open_nodes.pop()
        if isinstance(before, Decision):
            own = sets[before.player][before.information_set].first + action
            return (*sequences[: before.player], own, *sequences[before.player + 1 :]), chance
        assert isinstance(before, Chance)
        return sequences, chance * before.probabilities[action]

    def _enter(
        self, k: int, node: Decision, sequence: int, known: dict[str, InformationSet], counts: list[int]
    ) -> None:
        """Let the information set have the node; SolverError where the two do not fit."""
        found = known.get(node.information_set)
        if found is None:
            name, first = node.information_set, counts[node.player]
            known[name] = InformationSet(name, node.player, node.actions, sequence, first, (k,))
            counts[node.player] += len(node.actions)
            return
        named = f"information set {found.name!r} of {self.players[node.player]}"
        if found.actions != node.actions:
            raise SolverError(
                f"{self._place(k)} is in {named} with actions {node.actions}, others there have {found.actions}; give "
                "all its nodes the same, or put it into a set of its own"
            )
        if found.parent != sequence:
            raise SolverError(
                f"{self._place(k)} is in {named}, but the player got there by other own moves than to its first node "
                f"({self._place(found.nodes[0])}): imperfect recall. Only games in which players remember their own "
                "moves can be solved; split the information set"
            )


def _actions(node: Node) -> tuple[str, ...]:
    return () if isinstance(node, Terminal) else node.actions


def _numbers(node: Chance | Terminal) -> tuple[Number, ...]:
    return node.payoffs if isinstance(node, Terminal) else node.probabilities


def _fraction(value: Number, tolerance: Fraction) -> Fraction:
    return rationalize(value, tolerance) if isinstance(value, float) else Fraction(value)
