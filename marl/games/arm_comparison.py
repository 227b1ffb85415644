"""One game in several arms (channel on, off, scrambled, deaf): what each changes in payoffs, equilibria and sinks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from marl.errors import SolverError
from marl.games.arm_words import comparison_sentences
from marl.games.empirical import EmpiricalGame
from marl.games.intervals import critical_value
from marl.games.normal_form import Profile
from marl.games.regret import joint_regret, pure_joint
from marl.games.summary import analyze


def compare_arms(
    games: Mapping[str, EmpiricalGame],
    learned_profile: Sequence[int | str],
    *,
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """All arms analyzed (`marl.games.summary.analyze`), and how each differs from the first, ready for JSON.

    `games` have the same players and strategies; episodes with one seed in two arms are compared as a pair. For each
    arm but the first, `differences` holds the first arm's minus its own: `welfare` (the sum of payoffs) and `payoffs`
    at the learned profile, with intervals that hold for all arms and players at once; the pure equilibria and the sinks
    that both have (`kept`), only the first (`lost`) or only the other (`gained`), and the supports of mixed ones
    likewise. Whether an equilibrium of one arm is none in the other is as sure as the `regret` that it has there, an
    interval: it is `established` where that lies above zero. Raises SolverError for fewer than two arms, other players
    or strategies, and what `analyze` refuses.
    """
    first, *others = games
    _check(games)
    profile = games[first].profile(learned_profile)
    arms = {arm: analyze(game, profile, confidence=confidence, rng=rng) for arm, game in games.items()}
    worth = _worth(games, profile, confidence, rng)
    record: dict[str, Any] = {
        "players": list(games[first].players),
        "strategies": [list(own) for own in games[first].strategies],
        "profile": list(profile),
        "confidence": confidence,
        "first": first,
        "arms": arms,
        "differences": {arm: worth[arm] | _structure(arms, games, first, arm, confidence, rng) for arm in others},
    }
    return record | {"summary": comparison_sentences(record)}


def _check(games: Mapping[str, EmpiricalGame]) -> None:
    if len(games) < 2:
        raise SolverError(f"{len(games)} arms cannot be compared; give two at least, the one to compare with first")
    first = next(iter(games.values()))
    for arm, game in games.items():
        if (game.players, game.strategies) != (first.players, first.strategies):
            raise SolverError(f"arm {arm!r} has other players or strategies than the first; play the same game in all")


def _worth(
    games: Mapping[str, EmpiricalGame], profile: Profile, confidence: float, rng: np.random.Generator
) -> dict[str, dict[str, Any]]:
    """The first arm's welfare and payoffs minus those of each other, by the game whose first player picks the arm."""
    players = len(profile)
    samples: dict[Profile, np.ndarray] = {}
    seeds: dict[tuple[int | str, ...], list[int]] = {}
    for number, game in enumerate(games.values()):
        played = game.samples[profile]
        samples[number, *profile] = np.hstack([played.sum(axis=1, keepdims=True), played])
        if game.seeds is not None:
            seeds[number, *profile] = game.seeds[profile].tolist()
    first = next(iter(games.values()))
    joint = EmpiricalGame(
        [str(k) for k in range(players + 1)],
        [list(games), *first.strategies],
        samples,
        seeds if len(seeds) == len(games) else None,
    )
    size, arms = players + 1, len(games) - 1
    weights = {(0, *profile): np.tile(np.eye(size), (arms, 1))}
    for number in range(arms):
        weights[(number + 1, *profile)] = np.vstack([-np.eye(size) * (number == k) for k in range(arms)])
    gaps, covariance = joint.estimate(weights)
    errors = np.sqrt(np.diag(covariance))
    margin = critical_value(covariance, min(map(len, samples.values())) - 1, confidence, rng) * errors
    found = {}
    for k, arm in enumerate(list(games)[1:]):
        rows = [
            {"mean": float(gaps[r]), "low": float(gaps[r] - margin[r]), "high": float(gaps[r] + margin[r])}
            for r in range(k * size, (k + 1) * size)
        ]
        found[arm] = {"welfare": rows[0], "payoffs": rows[1:]}
    return found


def _structure(
    arms: Mapping[str, Any],
    games: Mapping[str, EmpiricalGame],
    first: str,
    arm: str,
    confidence: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    one, other = arms[first], arms[arm]

    def refuted(profiles: list[Any], where: str) -> list[dict[str, Any]]:
        return [_refutation(games[where], profile, confidence, rng) for profile in profiles]

    pure = _split(one["pure"], other["pure"])
    mixed = _split(*([found["support"] for found in side["mixed"]] for side in (one, other)))
    return {
        "pure": {
            "kept": pure["kept"],
            "lost": refuted(pure["lost"], arm),
            "gained": refuted(pure["gained"], first),
        },
        "mixed_supports": {kind: [list(map(list, support)) for support in part] for kind, part in mixed.items()},
        "sinks": _split(_sinks(one), _sinks(other)),
    }


def _refutation(game: EmpiricalGame, profile: Sequence[int], confidence: float, rng: np.random.Generator) -> Any:
    """The profile with its regret in a game in which it is no equilibrium of the means; None where it is unknown."""
    found: dict[str, Any] = {"profile": list(profile), "regret": None, "established": False}
    if tuple(profile) not in game.samples:
        return found
    regret = joint_regret(game, pure_joint(tuple(profile), game.shape), confidence=confidence, rng=rng)
    worst = max(regret.players, key=lambda own: own.mean)
    low = max(own.low for own in regret.players)
    found["regret"] = {"mean": worst.mean, "low": low, "high": regret.epsilon}
    return found | {"established": low > 0}


def _split(one: Sequence[Any], other: Sequence[Any]) -> dict[str, list[Any]]:
    return {
        "kept": [item for item in one if item in other],
        "lost": [item for item in one if item not in other],
        "gained": [item for item in other if item not in one],
    }


def _sinks(analysis: Mapping[str, Any]) -> list[list[list[int]]]:
    nodes = {node["id"]: node["profile"] for node in analysis["response_graph"]["nodes"]}
    return [[nodes[number] for number in sink] for sink in analysis["sinks"]]
