"""Meta-games: each agent chooses how it talks (talk or mute, truthful or lying) and plays on as ever."""

from __future__ import annotations

from typing import Any

import numpy as np

from marl.errors import SolverError
from marl.games.empirical import EmpiricalGame
from marl.games.meta_words import meta_sentences
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
    record |= {"kind": kind, "switches": record["learned"]["switches"]}
    return record | {"verdict": meta_sentences(record)}
