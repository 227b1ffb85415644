"""What the record of a game tree says in plain English; see `marl.games.solution_words`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from marl.games.phrases import Numbers, Sentence, listed, name, quoted

SHOWN = 3
"""Information sets of each kind that are named one by one."""

Record = Mapping[str, Any]


def tree_sentences(record: Record) -> Iterator[Sentence]:
    """The size of the tree, and what is known about it without its normal form."""
    if record.get("tree") is not None:
        yield from _size(record)
        yield from _sequence_form(record)
        yield from _subgame_perfect(record)


def _size(record: Record) -> Iterator[Sentence]:
    say, tree = Numbers(), record["tree"]
    sets = [
        f"{name(player)} with {say.count(f'{player} information sets', len(own), 'information set')}"
        for player, own in zip(record["players"], tree["information_sets"], strict=True)
    ]
    known = "an information set is what a player cannot tell apart when it moves"
    if tree["perfect_information"]:
        known += "; here everyone always knows all that has happened"
    yield say.sentence(
        f"The game is a tree of {say.count('nodes', tree['nodes'], 'node')}, among them "
        f"{say.count('chance nodes', tree['chance_nodes'], 'move')} of chance and "
        f"{say.count('ends', tree['ends'], 'end')}. "
        f"It has {say.count('players', len(sets), 'player')}, {listed(sets)} ({known})."
    )
    if record["strategies"] is None:
        yield Numbers().sentence("It has too many strategies (whole plans of play) to list.")


def _sequence_form(record: Record) -> Iterator[Sentence]:
    found = record.get("sequence_form")
    if found is None:
        return
    say, first = Numbers(), record["players"][0]
    text = (
        "The players' payoffs sum to a constant; with best play "
        f"{name(first)} gets {say('value', _number(found['payoffs'][0]))} on average (the value of the game), "
    )
    if found["exact"]:
        text += "which is proved exactly"
    else:
        text += f"where neither gains more than {say('sequence form regret', _number(found['regret']))} by leaving"
    yield say.sentence(f"{text}; one equilibrium, as probabilities at every information set, is in the record.")


def _subgame_perfect(record: Record) -> Iterator[Sentence]:
    found = record.get("subgame_perfect")
    if found is None:
        return
    say = Numbers()
    paid = [
        f"{say(f'{player} subgame perfect payoff', _number(payoff))} for {name(player)}"
        for player, payoff in zip(record["players"], found["payoffs"], strict=True)
    ]
    moves = [
        f"{name(player)} {quoted(one['actions'][action])} at {quoted(one['name'])}"
        for player, sets, own in zip(
            record["players"], record["tree"]["information_sets"], found["actions"], strict=True
        )
        for one, action in zip(sets, own, strict=True)
    ]
    shown = moves[:SHOWN]
    if len(moves) > SHOWN:
        shown.append(f"{say('further decisions', len(moves) - SHOWN)} more")
    text = (
        "Reasoning backward from the ends, at every decision the mover takes what is best for it from there on (a "
        f"subgame-perfect equilibrium): {listed(shown) if shown else 'nobody has a choice'}; it pays {listed(paid)}. "
    )
    if found["unique"]:
        text += "No other equilibrium is subgame perfect."
    else:
        ties = say.count("ties", len(found["ties"]), "information set")
        text += f"At {ties} another action is as good, so that there are others; the first action was taken."
    yield say.sentence(text)


def _number(value: str | float) -> float:
    return float(Fraction(value)) if isinstance(value, str) else value
