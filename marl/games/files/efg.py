"""Gambit's extensive-form files (.efg), read and written.

A node a line by custom, in prefix order, line ends mean nothing; what stands in brackets may be left out:

    EFG 2 R "title" { "player 1" "player 2" } ["comment"]
    c "label" SET ["set's label"] [{ "action" 1/2 "action" 1/2 }] OUTCOME ["its label"] [{ payoffs }]
    p "label" PLAYER SET ["set's label"] [{ "action" "action" }] OUTCOME ["its label"] [{ payoffs }]
    t "label" OUTCOME ["its label"] [{ payoffs }]

Actions are given where a set's number first appears, payoffs where an outcome's does; outcome 0 pays nothing. Payoffs
of outcomes on the way add up and are held at the ends, and labels of nodes and outcomes are not kept. Numbers are read
exactly, decimals too; probabilities with three decimals or more that miss the sum of 1 by no more than one in each last
digit are taken for rounded ones and scaled.

Source: the format as documented with Gambit 16 (www.gambit-project.org, "The extensive game (.efg) file format").
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from marl.errors import SolverError
from marl.games.extensive.game import MAX_NODES, ExtensiveGame
from marl.games.extensive.nodes import Chance, Decision, Node, Terminal
from marl.games.files.gambit_tokens import Tokens, quoted

Payoffs = tuple[Fraction, ...]


def parse_efg(text: str, source: str = "the text") -> ExtensiveGame:
    """The game in the text of an .efg file, exact; `source` names it in errors (SolverError)."""
    return _Reader(Tokens(text, source)).game()


class _Reader:
    """What the file has told so far: the sets and outcomes by their numbers, and the nodes."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.title, self.players = tokens.prologue("EFG", "2")
        tokens.text()  # a comment
        self.chances: dict[int, Chance] = {}
        self.sets: dict[tuple[int, int], tuple[str, tuple[str, ...]]] = {}
        self.outcomes: dict[int, Payoffs] = {0: (Fraction(0),) * len(self.players)}
        self.nodes: list[Node | tuple[int, int]] = []  # a decision is (player, set) until all labels are known
        self.places: list[int] = []  # where each node stands among the pieces

    def game(self) -> ExtensiveGame:
        """Read all nodes and put them together."""
        # How many children are still to come, and the payoffs on the way, from the root down.
        waiting: list[tuple[int, Payoffs]] = [(1, self.outcomes[0])]
        while waiting:
            left, before = waiting.pop()
            if left > 1:
                waiting.append((left - 1, before))
            if len(self.nodes) == MAX_NODES:
                raise SolverError(f"{self.tokens.source}: more than {MAX_NODES} nodes; give a smaller tree")
            count, own = self._node()
            total = _added(before, own)
            if count:
                waiting.append((count, total))
            else:
                self.nodes.append(Terminal(total))
        if not self.tokens.ended:
            self.tokens.fail("the end of the file, since every action has its node")
        names = self._names()
        nodes = [
            Decision(node[0], names[node], self.sets[node][1]) if isinstance(node, tuple) else node
            for node in self.nodes
        ]
        source, line_of = self.tokens.source, self.tokens.line_of
        places = [f"{source}, line {line_of(place)}: the node" for place in self.places]
        return ExtensiveGame(self.players, nodes, self.title, places=places)

    def _node(self) -> tuple[int, Payoffs]:
        """Read one node: how many actions it has, and what its outcome pays."""
        tokens = self.tokens
        self.places.append(tokens.place)
        kind = tokens.peek() if tokens.sees("word") else ""
        if kind not in ("c", "p", "t"):
            tokens.fail(f"a node (c, p or t), number {len(self.nodes) + 1} in the tree")
        tokens.take("word", expected="c, p or t")
        tokens.text()  # the node's label
        count = 0
        if kind == "c":
            chance = self._chance()
            self.nodes.append(chance)
            count = len(chance.actions)
        elif kind == "p":
            player = tokens.whole(f"a player's number from 1 to {len(self.players)}", 1, len(self.players)) - 1
            place = player, tokens.whole("the information set's number, 1 or more", 1)
            self.nodes.append(place)
            count = len(self._set(place))
        return count, self._outcome()

    def _chance(self) -> Chance:
        tokens = self.tokens
        number = tokens.whole("the chance set's number, 1 or more", 1)
        tokens.text()  # the set's label
        if number in self.chances and not tokens.sees("brace", "{"):
            return self.chances[number]
        place = tokens.place
        tokens.take("brace", "{", expected="{ before the actions of chance and their probabilities")
        names, shares, digits = [], [], Fraction(0)
        while not tokens.sees("brace", "}"):
            names.append(tokens.take("text", expected="an action of chance in quotes or }"))
            written = tokens.peek()
            shares.append(tokens.number("the action's probability"))
            digits += _last_digit(written)
        tokens.take("brace", "}", expected="} after the actions")
        total = sum(shares, Fraction(0))
        if not names or min(shares) < 0 or abs(total - 1) > digits:
            found = f"{', '.join(map(str, shares))}, which sum to {total}"
            tokens.fail_at(place, f"expected probabilities that are >= 0 and sum to 1, found {found}")
        if total != 1:
            shares = [share / total for share in shares]
        chance = Chance(_different(names), tuple(shares))
        if self.chances.setdefault(number, chance) != chance:
            tokens.fail_at(place, f"chance set {number} had other actions before")
        return chance

    def _set(self, place: tuple[int, int]) -> tuple[str, ...]:
        """The actions of the information set, which is told where its number first appears."""
        tokens, start = self.tokens, self.tokens.place
        label = tokens.text()
        if place in self.sets and not tokens.sees("brace", "{"):
            return self.sets[place][1]
        actions = _different(tokens.braced("text", "the actions in quotes"))
        if not actions:
            tokens.fail_at(start, "expected at least one action in quotes, found none")
        known = self.sets.setdefault(place, (label, actions))[1]
        if known != actions:
            whose = f"information set {place[1]} of player {place[0] + 1}"
            tokens.fail_at(start, f"expected the actions of {whose} as before, {known}; found {actions}")
        return actions

    def _outcome(self) -> Payoffs:
        tokens, place = self.tokens, self.tokens.place
        number = tokens.whole("an outcome's number, 0 for none", 0)
        tokens.text()  # the outcome's label
        if not tokens.sees("brace", "{"):
            if number not in self.outcomes:
                tokens.fail(f"{{ before the payoffs of outcome {number}, which is new")
            return self.outcomes[number]
        tokens.take("brace", "{", expected="{ before the payoffs")
        payoffs = tuple(tokens.number(f"a payoff of the outcome ({len(self.players)} players)") for _ in self.players)
        tokens.take("brace", "}", expected="} after the payoffs")
        if self.outcomes.setdefault(number, payoffs) != payoffs:
            before, now = (", ".join(map(str, held)) for held in (self.outcomes[number], payoffs))
            tokens.fail_at(place, f"expected the payoffs of outcome {number} as before, {before}; found {now}")
        return payoffs

    def _names(self) -> dict[tuple[int, int], str]:
        """A name for each information set: its label, or its numbers where the label is missing or not its own."""
        labels = Counter((player, label) for (player, _), (label, _) in self.sets.items())
        names = {}
        for (player, number), (label, _) in self.sets.items():
            alone = label != "" and labels[player, label] == 1
            names[player, number] = label if alone else f"({player + 1},{number})"
        if len({(player, name) for (player, _), name in names.items()}) < len(names):
            return {(player, number): f"({player + 1},{number})" for player, number in names}
        return names


def _added(before: Payoffs, own: Payoffs) -> Payoffs:
    """The sum; most outcomes on the way pay nothing, and sums of Fractions are slow."""
    if not any(own):
        return before
    return tuple(a + b for a, b in zip(before, own, strict=True)) if any(before) else own


def _different(names: list[str]) -> tuple[str, ...]:
    """The actions' names, or their numbers where a name is missing or comes twice."""
    return tuple(names) if len(set(names) - {""}) == len(names) else tuple(str(k + 1) for k in range(len(names)))


def _last_digit(written: str) -> Fraction:
    """What one in the last digit of a decimal is worth; 0 for "1", "0.25" and "1/3", which are no rounded numbers."""
    try:
        exponent = Decimal(written).as_tuple().exponent
    except InvalidOperation:
        return Fraction(0)
    return Fraction(10) ** exponent if isinstance(exponent, int) and exponent <= -3 else Fraction(0)


def format_efg(game: ExtensiveGame) -> str:
    """The game as a file of Gambit's: Fractions as p/q, floats in full."""
    kind = "R" if game.exact else "D"
    lines = [f"EFG 2 {kind} {quoted([game.title])} {{ {quoted(game.players)} }}", '""', ""]
    numbers = [{one.name: k for k, one in enumerate(own, start=1)} for own in game.information_sets]
    chances: dict[Chance, int] = {}
    outcomes: dict[Terminal, int] = {}
    for node in game.nodes:
        if isinstance(node, Terminal):
            number = outcomes.setdefault(node, len(outcomes) + 1)
            lines.append(f't "" {number} "Outcome {number}" {{ {", ".join(map(str, node.payoffs))} }}')
        elif isinstance(node, Chance):
            number = chances.setdefault(node, len(chances) + 1)
            moves = " ".join(f"{quoted([a])} {p}" for a, p in zip(node.actions, node.probabilities, strict=True))
            lines.append(f'c "" {number} "" {{ {moves} }} 0')
        else:
            number = numbers[node.player][node.information_set]
            label, actions = quoted([node.information_set]), quoted(node.actions)
            lines.append(f'p "" {node.player + 1} {number} {label} {{ {actions} }} 0')
    return "\n".join(lines) + "\n"
