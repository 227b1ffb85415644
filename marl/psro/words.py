"""What came of PSRO: a record (RUN/psro.json), and its summary in words, made from the record's fields only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from marl.games.meta_solver import MetaStrategy
from marl.games.phrases import Numbers, Sentence, listed, name
from marl.psro.loop import EXACT
from marl.psro.record import Record
from marl.settings import Scenario

SHOWN = 3

_SOLVERS = {
    "nash": "a Nash equilibrium of the game between members",
    "uniform": "every member with the same probability",
    "alpha_rank": "alpha-rank's masses, where evolution under strong selection spends its time",
    "correlated": "the coarse correlated equilibrium of maximum entropy",
}


def described(
    rows: Sequence[Mapping[str, Any]], record: Record, populations: Mapping[str, str], scenario: Scenario
) -> dict[str, Any]:
    """The record of a run that has ended, with its `summary`; its `solution` is the incumbent at the end."""
    settings, closing = scenario.psro, rows[-1]
    bounded = "psro/epsilon" in closing
    found: dict[str, Any] = {
        "meta_solver": settings.meta_solver,
        "epsilon": settings.epsilon,
        "confidence": scenario.evaluation.confidence,
        "populations": dict(populations),
        "members": dict.fromkeys(populations.values(), closing["iteration"] + 1 + bounded),
        "profiles": closing["psro/profiles"],
        "episodes": closing["psro/episodes"],
        "reason": closing["reason"],
        "bounded": bounded,
        "solution": {"iteration": closing["psro/incumbent"], **_solution(record, closing["psro/incumbent"])},
        "gains": _gains(closing, populations),
        "history": [
            {
                "iteration": row["iteration"],
                "gains": row.get("psro/gains"),
                "epsilon": row.get("psro/epsilon"),
                "nash_conv": row.get(EXACT),
                "incumbent": row["psro/incumbent"],
            }
            for row in rows
        ],
    }
    found["summary"] = sentences(found)
    return found


def _solution(record: Record, iteration: int) -> dict[str, Any]:
    meta = record.meta(iteration)
    game = record.game(meta.joint.shape)
    weights = {tuple(p): meta.joint[tuple(p)] * np.eye(meta.joint.ndim) for p in np.argwhere(meta.joint > 0).tolist()}
    payoffs, covariance = game.estimate(weights)
    errors = np.sqrt(np.diag(covariance))
    return record.described(meta) | {
        "payoffs": dict(zip(record.agents, payoffs.tolist(), strict=True)),
        "standard_errors": dict(zip(record.agents, errors.tolist(), strict=True)),
        "independent": _independent(meta),
    }


def _independent(meta: MetaStrategy) -> bool:
    """Whether the agents' members are drawn independently of each other."""
    product = np.ones(())
    for player in range(meta.joint.ndim):
        product = np.multiply.outer(product, meta.marginal(player))
    return bool(np.allclose(product, meta.joint, atol=1e-9))


def _gains(row: Mapping[str, Any], populations: Mapping[str, str]) -> dict[str, Any]:
    """What is gained over the incumbent of a row."""
    own = {key.removeprefix("psro/incumbent_"): value for key, value in row.items()}
    return {
        "agents": {a: {"mean": own[f"gain/{a}"], "member": own[f"best_member/{a}"]} for a in populations},
        "sum": {"mean": own["gains"], "low": own["gains_low"], "high": own["gains_high"]},
        "epsilon": own["epsilon"],
    }


def sentences(found: Mapping[str, Any]) -> list[Sentence]:
    """The summary: [{"text", "numbers": {name: value}}], every number of a text among its numbers."""
    writers = (_growth, _end, _chosen, _mixture, _gained, _exactly)
    return [sentence for writer in writers for sentence in writer(found)]


def _growth(found: Mapping[str, Any]) -> Iterator[Sentence]:
    say, grown = Numbers(), found["members"]
    parts = []
    for population, members in grown.items():
        seats = [agent for agent, own in found["populations"].items() if own == population]
        count = say.count(f"{population} members", members, "member")
        parts.append(f"{name(population)} ({count}) for {listed(map(name, seats))}")
    noun = "a population of policies" if len(grown) == 1 else "populations of policies"
    yield say.sentence(
        f"PSRO grew {noun}: {listed(parts)}. The first member is the policy before training; each other one was "
        f"trained to earn the most against {_SOLVERS[found['meta_solver']]} (the meta-strategy). "
        f"{say.count('profiles', found['profiles'], 'profile')} of members "
        f"{'was' if found['profiles'] == 1 else 'were'} played, {say.count('episodes', found['episodes'], 'episode')}."
    )


def _end(found: Mapping[str, Any]) -> Iterator[Sentence]:
    say = Numbers()
    if found["bounded"]:
        yield say.sentence(
            f"It ended by its confidence bound: no member, the newest best responses among them, gains more than "
            f"{say('gain bound', found['gains']['epsilon'])} over the meta-strategy, with "
            f"{say.share('confidence', found['confidence'])} confidence, and "
            f"{say('epsilon', found['epsilon'])} was asked for. Policies that training did not find may gain more."
        )
    else:
        yield say.sentence(
            f"It ended because all of its {say.count('iterations', len(found['history']) - 1, 'iteration')} were done, "
            "not because play had settled: the best of its meta-strategies leaves a bound of "
            f"{say('gain bound', found['gains']['epsilon'])} on a member's gain, above the "
            f"{say('epsilon', found['epsilon'])} that was asked for."
        )


def _chosen(found: Mapping[str, Any]) -> Iterator[Sentence]:
    say, compared = Numbers(), sum(row["gains"] is not None for row in found["history"])
    text = f"The result is the meta-strategy of iteration {say('iteration', found['solution']['iteration'])}"
    if compared > 1:
        text += (
            f": of {say('meta-strategies', compared)}, each measured by all members known at the end, it has the least "
            "upper end of what agents gain together"
        )
    if not found["bounded"]:
        text += ". The last meta-strategy, to which no best responses were trained, is not among the measured"
    yield say.sentence(f"{text}.")


def _mixture(found: Mapping[str, Any]) -> Iterator[Sentence]:
    solution = found["solution"]
    for agent, shares in solution["marginals"].items():
        say = Numbers()
        order = sorted(range(len(shares)), key=lambda k: -shares[k])
        played = [k for k in order if shares[k] > 0]
        parts = [
            f"member {say(f'member {k}', k)} in {say.share(f'share of member {k}', shares[k])} of episodes"
            for k in played[:SHOWN]
        ]
        rest = len(played) - SHOWN
        more = f", and {say('further members', rest)} more" if rest > 0 else ""
        payoff, error = solution["payoffs"][agent], solution["standard_errors"][agent]
        yield say.sentence(
            f"In the result {name(agent)} plays {', '.join(parts)}{more}; it gets "
            f"{say('payoff', payoff)} ± {say('standard error', error)} (± one standard error)."
        )
    if not solution["independent"]:
        yield Numbers().sentence(
            "Members are drawn jointly: what one agent plays tells something about what the others play."
        )


def _gained(found: Mapping[str, Any]) -> Iterator[Sentence]:
    say, gains = Numbers(), found["gains"]
    parts = [
        f"{name(agent)} gains {say(f'{agent} gain', own['mean'])} by member {say(f'{agent} member', own['member'])}"
        if own["mean"] > 0
        else f"{name(agent)} gains nothing"
        for agent, own in gains["agents"].items()
    ]
    total = gains["sum"]
    text = (
        f"Over the result, by switching alone to the best known member, {listed(parts)}, together "
        f"{say('gains', total['mean'])} ({say('gains low', total['low'])} to {say('gains high', total['high'])}, "
        f"{say.share('confidence', found['confidence'])} confidence)"
    )
    if found["meta_solver"] in {"nash", "uniform"}:
        text += ". This is a lower bound on its NashConv, the sum of what all agents gain by their best policies"
    if gains["epsilon"] > total["high"]:
        text += (
            f". The bound on a gain, {say('gain bound', gains['epsilon'])}, is wider: so much may outcomes be worth "
            "that no episode showed"
        )
    yield say.sentence(f"{text}.")


def _exactly(found: Mapping[str, Any]) -> Iterator[Sentence]:
    curve = [(row["iteration"], row["nash_conv"]) for row in found["history"] if row["nash_conv"] is not None]
    say = Numbers()
    if not curve:
        yield say.sentence("The exact NashConv is unknown: nothing measures this game without sampling.")
        return
    best = min(curve, key=lambda point: point[1])
    result = found["history"][found["solution"]["iteration"]]["nash_conv"]
    of = "" if found["solution"]["independent"] else ", each agent drawing its member by itself,"
    yield say.sentence(
        f"Computed exactly, the NashConv of the result{of} is {say('NashConv of the result', result)}. Along the "
        f"iterations that of the meta-strategy went from {say('first NashConv', curve[0][1])} before any best response "
        f"to {say('last NashConv', curve[-1][1])}; the lowest was {say('lowest NashConv', best[1])}, after "
        f"{say.count('best iteration', best[0], 'best response')} a population."
    )
