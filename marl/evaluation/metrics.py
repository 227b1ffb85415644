"""From the episodes of one arm to its numbers. Failed episodes are counted and left out of every mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from marl.errors import EnvError
from marl.evaluation.reference import nearest_equilibrium
from marl.evaluation.statistics import mean_interval, success_interval
from marl.seeding import stream
from marl.types import Episode, Turn

MOST_MOVES = 8
"""Moves of an agent whose shares are listed, the most frequent ones."""


def completed(episodes: Sequence[Episode]) -> list[Episode]:
    """The episodes that were played to an end; a failed one has no payoff to speak of."""
    return [episode for episode in episodes if episode.outcome != "failed"]


def arm_metrics(
    episodes: Sequence[Episode],
    *,
    arm: str,
    label: str,
    seed: int,
    confidence: float = 0.95,
    reference: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One entry of `arms` in evaluation.json: payoffs an episode with intervals, successes, failures, behavior.

    `mean` is the mean over completed episodes (`n` of them) of the mean over agents of the sum of rewards.
    `parse_failures` counts the replies in all episodes, failed ones too, that named no legal action, `failed_calls`
    the turns for which a server gave none. Raises EnvError when fewer than two episodes were completed, with the
    first failure's error.
    """
    done = completed(episodes)
    if len(done) < 2:
        errors = [episode.error for episode in episodes if episode.error] or ["no episode was played"]
        raise EnvError(
            f"arm {arm!r}: {len(done)} of {len(episodes)} episodes were completed and an interval needs 2; "
            f"the first error was: {errors[0]}"
        )
    overall = mean_interval(
        [episode.mean_return for episode in done], confidence=confidence, rng=stream(seed, "bootstrap", arm)
    )
    metrics: dict[str, Any] = {
        "label": label,
        **overall.to_json(),
        "per_agent": {
            agent: mean_interval(
                [episode.returns[agent] for episode in done],
                confidence=confidence,
                rng=stream(seed, "bootstrap", arm, agent),
            ).to_json()
            for agent in done[0].agents
        },
        "success": success_rate(done, confidence=confidence),
        "parse_failures": sum(episode.failures("reply") for episode in episodes),
        "failed_calls": sum(episode.failures("call") for episode in episodes),
        "failed_episodes": len(episodes) - len(done),
        "situations": situations(done),
        "moves": {
            agent: moves(done, agent, confidence=confidence, rng=stream(seed, "bootstrap", arm, agent, "moves"))
            for agent in done[0].agents
        },
    }
    metrics["equilibrium"] = nearest_equilibrium(reference, metrics) if reference else None
    return metrics


def success_rate(episodes: Sequence[Episode], *, confidence: float = 0.95) -> dict[str, Any] | None:
    """Share of episodes with success exactly 1, with Wilson's interval; None where the game defines no success.

    A success below 1 (some agents only, or partly) is not a success.
    """
    judged = [episode.success for episode in episodes if episode.success is not None]
    if not judged:
        return None
    return success_interval(sum(value == 1.0 for value in judged), len(judged), confidence=confidence).to_json()


def situations(episodes: Sequence[Episode]) -> dict[str, dict[str, Any]]:
    """What was played in each situation: {situation: {"n", "mean", "plays": {joint play: share}}}, sorted by name.

    A situation is the env's words for its first state. Plays are sorted by share, the most frequent first.
    """
    groups: dict[str, list[Episode]] = {}
    for episode in episodes:
        groups.setdefault(episode.situation, []).append(episode)
    return {
        situation: {
            "n": len(group),
            "mean": float(np.mean([episode.mean_return for episode in group])),
            "plays": shares([joint_play(episode) for episode in group]),
        }
        for situation, group in sorted(groups.items())
    }


def moves(
    episodes: Sequence[Episode], agent: str, *, confidence: float, rng: np.random.Generator
) -> dict[str, dict[str, Any]]:
    """How often `agent` plays each move: {move: interval of its share}, the most frequent MOST_MOVES of them.

    The share is the mean over episodes of the share of the episode's decisions, since those of one episode are not
    independent; with one decision an episode it is a rate, with Wilson's interval. Empty for an agent that never chose.
    """
    played = [[_action(turn) for turn in e.turns if turn.phase == "act" and turn.agent == agent] for e in episodes]
    played = [own for own in played if own]
    counts = Counter(name for own in played for name in own)
    once, found = all(len(own) == 1 for own in played), {}
    for name in sorted(counts, key=lambda name: (-counts[name], name))[:MOST_MOVES]:
        if once or len(played) < 2:
            share = success_interval(sum(name in own for own in played), len(played), confidence=confidence)
        else:
            share = mean_interval([own.count(name) / len(own) for own in played], confidence=confidence, rng=rng)
        found[name] = share.to_json()
    return found


def joint_play(episode: Episode) -> str:
    """What each agent did at its last decision, in words: "scout_0: north, partner_0: north".

    In a single-decision game this is the joint action. In a repeated game it is where play ended, which is what an
    equilibrium is compared with; in a game of turns, each agent's own last move. An agent that never had a choice is
    left out, and an action that was put in for an unparsed reply, or for none, is marked as such.
    """
    last = {turn.agent: turn for turn in episode.turns if turn.phase == "act"}
    return ", ".join(f"{agent}: {_action(last[agent])}" for agent in episode.agents if agent in last)


def _action(turn: Turn) -> str:
    if turn.failure is not None:
        return "(unparsed)" if turn.failure.kind == "reply" else "(no reply)"
    return turn.options[turn.choice] if turn.choice is not None and turn.options else turn.text


def shares(names: Sequence[str]) -> dict[str, float]:
    """Each name's share, the most frequent first, ties in alphabetical order."""
    counts = Counter(names)
    return {name: counts[name] / len(names) for name in sorted(counts, key=lambda name: (-counts[name], name))}
