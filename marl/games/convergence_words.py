"""How policies moved over training, in plain English: sentences made from the record's fields only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from marl.games.phrases import Numbers, Sentence, listed

SHOWN = 3

_VERDICTS = {
    "converged": "Play has converged, as far as these checkpoints show",
    "moves": "Play still moves",
    "cycles": "Play goes round in circles",
    "undecided": "Whether play has converged is undecided: the intervals reach to either side of the tolerance",
}


def convergence_sentences(found: Mapping[str, Any]) -> list[Sentence]:
    """The summary of `marl.games.convergence.convergence`: [{"text", "numbers": {name: value}}]."""
    writers = (_verdict, _steps, _returns, _payoffs, _circles, _equilibrium)
    return [sentence for writer in writers for sentence in writer(found)]


def _verdict(found: Mapping[str, Any]) -> Iterator[Sentence]:
    say, net = Numbers(), found["net"]
    yield say.sentence(
        f"{_VERDICTS[found['verdict']]}. From iteration {say('from', net['from'])} to {say('to', net['to'])} what the "
        f"policies do in the same situations changed by {say('net', net['mean'])} ({say('net low', net['low'])} to "
        f"{say('net high', net['high'])}) in total variation distance, which is 0 for the same play and 1 for play "
        f"that has nothing in common; up to {say('tolerance', found['tolerance'])} counts as none. All intervals of "
        f"one kind hold at once with {say.share('confidence', found['confidence'])} confidence."
    )


def _steps(found: Mapping[str, Any]) -> Iterator[Sentence]:
    say, steps = Numbers(), found["steps"]
    last = steps[-1]
    largest = max(steps, key=lambda step: step["mean"])
    yield say.sentence(
        f"Of {say.count('steps', len(steps), 'step')} between successive checkpoints the largest, from iteration "
        f"{say('largest from', largest['from'])} to {say('largest to', largest['to'])}, was "
        f"{say('largest', largest['mean'])} ({say('largest low', largest['low'])} to "
        f"{say('largest high', largest['high'])}); the last was {say('last', last['mean'])} "
        f"({say('last low', last['low'])} to {say('last high', last['high'])})."
    )


def _returns(found: Mapping[str, Any]) -> Iterator[Sentence]:
    if found["returns"]:
        say, (start, away, back) = Numbers(), found["returns"][-1]
        yield say.sentence(
            f"Play came back {say.count('returns', len(found['returns']), 'time')}: for example it had left what it "
            f"was at iteration {say('start', start)} by iteration {say('away', away)}, and at iteration "
            f"{say('back', back)} was less than half as far from it."
        )


def _payoffs(found: Mapping[str, Any]) -> Iterator[Sentence]:
    say, pairs = Numbers(), found["pairs"]
    open_ = pairs["all"] - pairs["later_gains"] - pairs["later_loses"]
    yield say.sentence(
        f"Put into a world where all play an earlier checkpoint, the later one's policies gain in "
        f"{say('later gains', pairs['later_gains'])} of {say.count('pairs', pairs['all'], 'pair')}, lose in "
        f"{say('later loses', pairs['later_loses'])}, and in {say('open pairs', open_)} the episodes do not tell."
    )


def _circles(found: Mapping[str, Any]) -> Iterator[Sentence]:
    for part in found["circles"][:SHOWN]:
        say = Numbers()
        named = listed(say(f"checkpoint {k}", k) for k in part)
        yield say.sentence(
            f"What beats what goes in a circle among the checkpoints after iterations {named}: later is not better "
            "there."
        )
    if not found["circles"]:
        yield Numbers().sentence("No circle of checkpoints, each better against the next, stands out from the noise.")


def _equilibrium(found: Mapping[str, Any]) -> Iterator[Sentence]:
    exact, say = found["nash_conv"]["exact"], Numbers()
    if exact:
        best = min(exact, key=lambda point: point["value"])
        yield say.sentence(
            f"The exact NashConv (what all agents could gain by switching alone, 0 at an equilibrium) went from "
            f"{say('first', exact[0]['value'])} at iteration {say('first iteration', exact[0]['iteration'])} to "
            f"{say('last', exact[-1]['value'])} at iteration {say('last iteration', exact[-1]['iteration'])}; the "
            f"lowest was {say('lowest', best['value'])} at iteration {say('lowest iteration', best['iteration'])}."
        )
        return
    first, last = found["nash_conv"]["lower_bound"][0], found["nash_conv"]["lower_bound"][-1]
    yield say.sentence(
        f"By switching alone to another checkpoint all agents together gain {say('first', first['mean'])} "
        f"({say('first low', first['low'])} to {say('first high', first['high'])}) at the first checkpoint and "
        f"{say('last', last['mean'])} ({say('last low', last['low'])} to {say('last high', last['high'])}) at the "
        "last: lower bounds on the NashConv, since other policies may gain more."
    )
