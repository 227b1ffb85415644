"""The verdict on a meta-game in plain English: sentences made from its fields only, with the numbers that they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from marl.games.phrases import Numbers, Sentence, listed, name, quoted

SHOWN = 3

QUESTIONS = {
    "talk_or_mute": "Each agent that can speak chooses whether its messages go out (“talk”) or reach nobody (“mute”)",
    "truthful_or_lying": "Each agent whose messages tell something chooses whether they are heard as sent (“truthful”) "
    "or as messages that tell something else (“lying”)",
}

ENDS = {
    "yes": "these are all, up to mixtures of them",
    "no": "there are others",
    "unknown": "whether there are others is unknown",
}

Record = Mapping[str, Any]


def meta_sentences(record: Record) -> list[Sentence]:
    """[{"text", "numbers": {name: value}}] for a record of `marl.games.meta_game.meta_game` without its verdict."""
    return [sentence for writer in (_question, _verdict, _switches, _equilibria) for sentence in writer(record)]


def _question(record: Record) -> Iterator[Sentence]:
    question = QUESTIONS.get(record["kind"], f"Each agent chooses in the game {quoted(record['kind'])}")
    yield Numbers().sentence(f"{question}, and otherwise all play as ever: nobody adapts to the choice.")


def _verdict(record: Record) -> Iterator[Sentence]:
    say, first = Numbers(), _profile(record, [0] * len(record["game"]["players"]))
    switches = record["switches"]
    confidence = say.share("confidence", record["confidence"])
    if any(one["low"] > 0 for one in switches):
        text = f"{first} is not an equilibrium"
    elif _unplayed(record):
        text = f"Whether {first} is an equilibrium is not known, as not every switch was played"
    elif all(one["high"] < 0 for one in switches):
        text = f"{first} is an equilibrium, and every switch costs who makes it"
    elif all(one["high"] <= 0 for one in switches):
        text = f"{first} is an equilibrium"
    else:
        text = f"Whether {first} is an equilibrium is not sure"
    yield say.sentence(f"{text} (all intervals at once with {confidence} confidence).")


def _switches(record: Record) -> Iterator[Sentence]:
    say, parts = Numbers(), []
    for one in record["switches"]:
        who, to = name(one["player"]), quoted(one["strategy"])
        called = f"{one['player']} {one['strategy']}"
        if one["low"] == one["high"] == 0:
            parts.append(f"{to} changes {who}'s payoff by {say(f'{called} gain', 0)}")
            continue
        interval = f"{say(f'{called} low', one['low'])} to {say(f'{called} high', one['high'])}"
        parts.append(f"{to} changes {who}'s payoff by {say(f'{called} gain', one['gain'])} ({interval})")
    for who, strategy in _unplayed(record):
        parts.append(f"what {quoted(strategy)} changes for {name(who)} is unknown, as it was not played")
    yield say.sentence(f"While all others stay as they are, {listed(parts)}.")


def _equilibria(record: Record) -> Iterator[Sentence]:
    say, pure, mixed = Numbers(), record["pure"], len(record["mixed"])
    text = f"The mean payoffs have {say.count('pure equilibria', len(pure), 'pure equilibrium', 'pure equilibria')}"
    if pure:
        parts = [
            f"{_profile(record, profile)} (no gain by switching above {say(f'pure {k} epsilon', epsilon)})"
            for k, (profile, epsilon) in enumerate(
                zip(pure[:SHOWN], record["pure_epsilon"][:SHOWN], strict=True), start=1
            )
        ]
        if len(pure) > SHOWN:
            parts.append(f"{say('more pure equilibria', len(pure) - SHOWN)} more")
        text += f": {listed(parts)}"
    text += f"; and {say('mixed equilibria', mixed)} in which somebody mixes"
    yield say.sentence(f"{text}; {ENDS[record['complete']]}.")


def _unplayed(record: Record) -> list[tuple[str, str]]:
    """Switches away from the first profile that lead to one that was never played: (player, strategy)."""
    return [(who, strategy) for who, own in record["learned"]["unplayed_switches"].items() for strategy in own]


def _profile(record: Record, profile: Sequence[int]) -> str:
    """Who chooses what; who has no choice is left out."""
    rows = zip(record["game"]["players"], record["game"]["strategies"], profile, strict=True)
    return f"({', '.join(f'{name(player)} {quoted(own[s])}' for player, own, s in rows if len(own) > 1)})"
