"""The response graph with all that is known about it: names, sinks, alpha-rank masses, and how sure each gain is."""

from __future__ import annotations

from typing import Any

import numpy as np
from networkx import DiGraph
from scipy.stats import t as student

from marl.errors import SolverError
from marl.games.alpha_rank import alpha_rank
from marl.games.empirical import EmpiricalGame
from marl.games.normal_form import NormalFormGame, Profile
from marl.games.regret import gain_of_switch
from marl.games.response_graph import Responses, response_graph, response_sinks


def annotated_graph(
    game: NormalFormGame | EmpiricalGame,
    responses: Responses = "best",
    *,
    alpha: float = 100.0,
    population: int = 50,
    confidence: float = 0.95,
) -> DiGraph:
    """`response_graph` (its limits and errors), annotated.

    Nodes also hold `names` (strategy names), `sink` (the number of the sink component that they are in, -1 where none)
    and `alpha_rank` (mass; None where profiles are missing). Edges also hold `low` and `high`, a two-sided interval of
    the gain at `confidence`, and `sureness`: the confidence, by a one-sided t-test, that it is a gain at all; edge by
    edge, not for all at once. For a NormalFormGame gains are known: low = high = gain, sureness 1. The graph carries
    `players`, `strategies`, `responses`, `alpha`, `population` and `confidence`. Raises SolverError where an edge of an
    EmpiricalGame rests on a profile with fewer than two episodes.
    """
    if not 0 < confidence < 1:
        raise SolverError(f"confidence {confidence} must lie between 0 and 1")
    empirical = game if isinstance(game, EmpiricalGame) else None
    means = game if isinstance(game, NormalFormGame) else _means(game)
    known = None if empirical is None else empirical.known
    graph = response_graph(means, known, responses)
    complete = empirical is None or not empirical.missing
    masses = alpha_rank(means, alpha, population).masses if complete else None
    graph.graph.update(
        players=game.players,
        strategies=game.strategies,
        responses=responses,
        alpha=float(alpha),
        population=population,
        confidence=confidence,
    )
    sinks = {profile: number for number, sink in enumerate(response_sinks(means, known, responses)) for profile in sink}
    for profile, held in graph.nodes(data=True):
        held["names"] = tuple(own[s] for own, s in zip(game.strategies, profile, strict=True))
        held["sink"] = sinks.get(profile, -1)
        held["alpha_rank"] = None if masses is None else float(masses[profile])
    for source, target, held in graph.edges(data=True):
        if empirical is None:
            held.update(low=held["gain"], high=held["gain"], sureness=1.0)
        else:
            held.update(_gain(empirical, source, target, held["player"], confidence))
    return graph


def _means(game: EmpiricalGame) -> NormalFormGame:
    return NormalFormGame(np.nan_to_num(game.means), game.players, game.strategies)


def _gain(game: EmpiricalGame, source: Profile, target: Profile, player: int, confidence: float) -> dict[str, Any]:
    gain, error = gain_of_switch(game, source, target, player)
    degrees = min(len(game.samples[source]), len(game.samples[target])) - 1
    if error <= game.resolution:
        return {"low": gain, "high": gain, "sureness": 1.0}
    margin = float(student.ppf((1 + confidence) / 2, degrees)) * error
    return {"low": gain - margin, "high": gain + margin, "sureness": float(student.cdf(gain / error, degrees))}
