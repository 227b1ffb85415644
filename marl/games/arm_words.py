"""A comparison of arms in plain English: sentences made from its fields only, each with the numbers that it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from marl.games.phrases import Numbers, Sentence, listed, name, play, quoted

SHOWN = 3
"""Profiles of each kind that are named one by one."""

ARMS = {
    "normal": "with the channel",
    "off": "with the channel off",
    "scrambled": "with scrambled messages",
    "deaf": "with messages that nobody hears",
}

Record = Mapping[str, Any]


def comparison_sentences(record: Record) -> list[Sentence]:
    """The summary of a record of `marl.games.arm_comparison.compare_arms`: [{"text", "numbers": {name: value}}]."""
    parts = [_arms(record)]
    for arm in record["differences"]:
        parts += [_welfare(record, arm), _pure(record, arm), _sinks(record, arm)]
    return [sentence for part in parts for sentence in part]


def _arms(record: Record) -> Iterator[Sentence]:
    say, names = Numbers(), [_arm(arm) for arm in record["arms"]]
    first = record["arms"][record["first"]]["learned"]
    paid = [
        f"{name(player)} {say(f'{player} payoff', payoff)}"
        for player, payoff in zip(record["players"], first["payoffs"], strict=True)
    ]
    yield say.sentence(
        f"The same game was played in {say.count('arms', len(names), 'arm')}: {listed(names)}. "
        f"{names[0][0].upper()}{names[0][1:]}, the learned profile {_profile(record, record['profile'])} pays "
        f"{listed(paid)}. "
        "Intervals of payoffs hold for all arms and players at once with "
        f"{say.share('confidence', record['confidence'])} confidence."
    )


def _welfare(record: Record, arm: str) -> Iterator[Sentence]:
    say, gap = Numbers(), record["differences"][arm]["welfare"]
    text = f"Welfare (the sum of all payoffs) of the learned profile, {_arm(record['first'])} minus {_arm(arm)}, is "
    if gap["low"] == gap["high"] == 0:
        yield say.sentence(f"{text}{say(f'{arm} welfare', gap['mean'])} in every episode.")
        return
    interval = f"{say(f'{arm} low', gap['low'])} to {say(f'{arm} high', gap['high'])}"
    verdict = "a gain" if gap["low"] > 0 else "a loss" if gap["high"] < 0 else "which cannot be told from chance"
    yield say.sentence(f"{text}{say(f'{arm} welfare', gap['mean'])} ({interval}), {verdict}.")


def _pure(record: Record, arm: str) -> Iterator[Sentence]:
    say, held, first = Numbers(), record["differences"][arm]["pure"], record["first"]
    kept, total = len(held["kept"]), len(held["kept"]) + len(held["lost"])
    pure = say.count(f"{arm} pure equilibria", total, "pure equilibrium", "pure equilibria")
    text = (
        f"Of {pure} {_arm(first)}, {say(f'{arm} kept', kept)} {'is one' if kept == 1 else 'are such'} {_arm(arm)} too"
    )
    for kind, where in (("lost", arm), ("gained", first)):
        found = held[kind]
        if found:
            verb = "is" if len(found) == 1 else "are"
            told = _refuted(record, say, f"{arm} {kind}", found, _arm(where))
            text += f"; {'lost' if kind == 'lost' else 'new'} {verb} {told}"
    yield say.sentence(f"{text}.")


def _refuted(record: Record, say: Numbers, called: str, found: Sequence[Mapping[str, Any]], where: str) -> str:
    """Profiles with how sure it is that they are no equilibria `where`."""
    parts = []
    for k, one in enumerate(found[:SHOWN], start=1):
        if one["regret"] is None:
            why = "it was not played"
        elif one["established"]:
            why = f"somebody gains at least {say(f'{called} {k} regret', one['regret']['low'])} by switching"
        else:
            why = f"a gain by switching, of up to {say(f'{called} {k} regret', one['regret']['high'])}, is not sure"
        parts.append(f"{_profile(record, one['profile'])} ({where} {why})")
    if len(found) > SHOWN:
        parts.append(f"{say(f'{called} more', len(found) - SHOWN)} more")
    return listed(parts)


def _sinks(record: Record, arm: str) -> Iterator[Sentence]:
    say, held = Numbers(), record["differences"][arm]["sinks"]
    if not held["lost"] and not held["gained"]:
        yield Numbers().sentence(f"Best responses end in the same sinks {_arm(arm)} as {_arm(record['first'])}.")
        return
    kept, lost, gained = (say(f"{arm} {kind} sinks", len(held[kind])) for kind in ("kept", "lost", "gained"))
    yield say.sentence(
        f"Sinks (sets of profiles that best responses never leave) {_arm(arm)}: {kept} as {_arm(record['first'])}, "
        f"{lost} gone, {gained} new."
    )


def _arm(arm: str) -> str:
    return ARMS.get(arm, f"in the arm {quoted(arm)}")


def _profile(record: Record, profile: Sequence[int]) -> str:
    return play(record["players"], record["strategies"], profile)
