"""Meta-games: each agent chooses how it talks (talk or mute, truthful or lying) and plays on as ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from marl.errors import SolverError
from marl.games.empirical import EmpiricalGame
from marl.games.intervals import critical_value
from marl.games.meta_words import meta_sentences
from marl.games.normal_form import Profile
from marl.games.summary import analyze


def meta_game(game: EmpiricalGame, kind: str, *, confidence: float = 0.95, rng: np.random.Generator) -> dict[str, Any]:
    """The analysis (`marl.games.summary.analyze`) of a game in which each player's first strategy is what it does by
    itself, with `kind` ("talk_or_mute", "truthful_or_lying", or any name) and two fields more.

    `switches` are all switches by one player away from the first profile: [{player, strategy, gain, low, high}], their
    intervals at once. `verdict` says in words ([{"text", "numbers"}]) whether it is an equilibrium and what leaving it
    costs. A player with one strategy has no choice. Raises SolverError where nobody has one, and what `analyze` raises.
    """
    if max(game.shape) < 2:
        raise SolverError("nobody has a choice in this game; give at least one player two strategies")
    first = (0,) * len(game.shape)
    record = analyze(game, first, confidence=confidence, rng=rng)
    record |= {"kind": kind, "switches": _switches(game, first, confidence, rng)}
    return record | {"verdict": meta_sentences(record)}


def _switches(
    game: EmpiricalGame, first: Profile, confidence: float, rng: np.random.Generator
) -> list[Mapping[str, Any]]:
    moves = [(player, strategy) for player, size in enumerate(game.shape) for strategy in range(1, size)]
    weights = {first: np.zeros((len(moves), len(first)))}
    for row, (player, strategy) in enumerate(moves):
        target = (*first[:player], strategy, *first[player + 1 :])
        weights[first][row, player] -= 1
        weights[target] = np.zeros((len(moves), len(first)))
        weights[target][row, player] = 1
    gains, covariance = game.estimate(weights)
    gains[np.abs(gains) <= game.resolution] = 0.0
    fixed = np.diag(covariance) <= game.resolution**2
    covariance[fixed, :] = covariance[:, fixed] = 0.0
    degrees = min(len(game.samples[profile]) for profile in weights) - 1
    margin = critical_value(covariance, degrees, confidence, rng) * np.sqrt(np.diag(covariance))
    return [
        {
            "player": game.players[player],
            "strategy": game.strategies[player][strategy],
            "gain": float(gain),
            "low": float(gain - wide),
            "high": float(gain + wide),
        }
        for (player, strategy), gain, wide in zip(moves, gains, margin, strict=True)
    ]
