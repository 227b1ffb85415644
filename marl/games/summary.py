"""From an empirical game to the whole analysis: a JSON-ready record with its own summary in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from marl.errors import SolverError
from marl.games.concepts import equilibrium_of
from marl.games.empirical import EmpiricalGame
from marl.games.equilibrium import Equilibrium, EquilibriumSet, certify
from marl.games.estimate import estimated_concepts
from marl.games.mean_intervals import mean_intervals
from marl.games.mixed import mixed_equilibria
from marl.games.normal_form import NormalFormGame, Profile
from marl.games.posterior import drawn_gains, drawn_payoffs
from marl.games.pure import pure_equilibria
from marl.games.refinement import refinement
from marl.games.regret import (
    Distributions,
    Gains,
    deviation_gains,
    gain_of_switch,
    payoff_errors,
    profile_regret,
    pure_joint,
    regret_of,
)
from marl.games.response_graph import response_graph, response_sinks
from marl.games.support import support_probabilities
from marl.games.welfare import equilibrium_welfare, price_of_anarchy, price_of_stability, social_optimum
from marl.games.words import sentences


def analyze(
    game: EmpiricalGame,
    learned_profile: Sequence[int | str],
    *,
    confidence: float = 0.95,
    rng: np.random.Generator,
    concept_time: float | None = None,
) -> dict[str, Any]:
    """All that is known about the game and the learned profile, as plain lists, numbers and strings (analysis.json).

    Equilibria, optimum, prices and graph are exactly those of the mean payoffs; `epsilon` is the upper confidence
    bound on the largest regret of an equilibrium in the true game, `support_probability` the probability that the
    true game has an equilibrium with the same strategies in it, and `refinement` what to play to decide whether the
    learned profile and the pure equilibria are some (see `marl.games.refinement`). `mixed` holds the equilibria in
    which someone mixes; payoffs are in the players' order; unknown numbers are None. With `missing` profiles only
    the pure equilibria that the played ones prove are listed, the optimum is that of the played ones, and the
    prices are None. With `concept_time` seconds every concept of `marl solve` is asked, too, and how sure it is
    (`concepts`, see `marl.games.estimate`). Raises SolverError where the learned profile was not played or a played
    profile has fewer than two episodes.
    """
    learned = _played(game, learned_profile)
    means = NormalFormGame(np.nan_to_num(game.means), game.players, game.strategies).rational()
    concepts = None
    if concept_time is not None:
        tables = drawn_payoffs(game, rng=rng)
        concepts = estimated_concepts(game, tables, confidence=confidence, time_limit=concept_time, rng=rng)
    found = _equilibria(game, means, concepts)
    pure = [one.pure for one in found.equilibria if one.pure is not None]
    switches = {
        profile: deviation_gains(game, pure_joint(profile, game.shape), confidence=confidence, rng=rng)
        for profile in dict.fromkeys([learned, *pure])
    }
    analysis: dict[str, Any] = {
        "game": _game(game, confidence, rng),
        "missing": [list(profile) for profile in game.missing],
        "confidence": confidence,
        "learned": _learned(game, learned, switches[learned]),
        "pure": [list(profile) for profile in pure],
        "pure_epsilon": [regret_of(switches[profile]).epsilon for profile in pure],
        "mixed": [_mixed(game, one, confidence, rng) for one in found.equilibria if one.pure is None],
        "complete": found.complete,
        "completeness": found.reason,
        **_welfare(game, means, found),
        **_graph(game, means, learned),
    }
    _add_support(analysis, game, rng)
    analysis["refinement"] = refinement(game, switches.values())
    if concepts is not None:
        analysis["concepts"] = concepts
    analysis["summary"] = sentences(analysis)
    return analysis


def _played(game: EmpiricalGame, learned_profile: Sequence[int | str]) -> Profile:
    """The learned profile by indices, in a game of which it and the errors are known."""
    learned = game.profile(learned_profile)
    if learned not in game.samples:
        raise SolverError(f"the learned profile {game.names(learned)} was never played; play it first")
    for profile, values in game.samples.items():
        if len(values) < 2:
            raise SolverError(f"profile {game.names(profile)} has 1 episode, and a standard error needs 2; play more")
    return learned


def _welfare(game: EmpiricalGame, means: NormalFormGame, found: EquilibriumSet) -> dict[str, Any]:
    """The best of the played profiles, and the prices where all were played."""
    best, welfare = social_optimum(means, game.known)
    known = () if game.missing else found.equilibria
    comparable = [(own,) for own in equilibrium_welfare(means, known, welfare)]
    anarchy, stability = price_of_anarchy(welfare, comparable), price_of_stability(welfare, comparable)
    return {
        "social_optimum": {"profile": list(best), "welfare": float(welfare)},
        "price_of_anarchy": None if anarchy is None else float(anarchy),
        "price_of_stability": None if stability is None else float(stability),
    }


def _add_support(analysis: dict[str, Any], game: EmpiricalGame, rng: np.random.Generator) -> None:
    """Put the probabilities beside the equilibria."""
    pure = [[[s] for s in profile] for profile in analysis["pure"]]
    supports = [*pure, *(one["support"] for one in analysis["mixed"])]
    tables = drawn_gains(game, rng=rng) if supports else None
    chances = support_probabilities(game, supports, tables, rng=rng)
    analysis["pure_support_probability"] = chances[: len(pure)]
    for one, chance in zip(analysis["mixed"], chances[len(pure) :], strict=True):
        one["support_probability"] = chance


def _equilibria(game: EmpiricalGame, means: NormalFormGame, concepts: dict[str, Any] | None) -> EquilibriumSet:
    if concepts is not None and concepts["solution"] is not None:
        solution = concepts["solution"]
        if solution["mixed"] is not None:
            equilibria = tuple(equilibrium_of(one) for one in solution["mixed"])
            return EquilibriumSet(equilibria, solution["complete"], solution["completeness"])
        proved = tuple(certify(means, profile, "pure enumeration") for profile in pure_equilibria(means))
        return EquilibriumSet(
            proved, "unknown", f"all pure profiles were compared; mixed: {solution['notes']['mixed']}"
        )
    if not game.missing:
        return mixed_equilibria(means)
    proved = tuple(certify(means, profile, "pure enumeration") for profile in pure_equilibria(means, game.known))
    reason = "some profiles were never played; listed are the pure equilibria whose every switch was played"
    return EquilibriumSet(proved, "unknown", reason)


def _game(game: EmpiricalGame, confidence: float, rng: np.random.Generator) -> dict[str, Any]:
    low, high, method = mean_intervals(game, confidence=confidence, rng=rng)
    return {
        "players": list(game.players),
        "strategies": [list(own) for own in game.strategies],
        "mean": _plain(game.means),
        "standard_error": _plain(game.standard_errors),
        "low": _plain(low),
        "high": _plain(high),
        "intervals": method,
        "n": game.counts.tolist(),
    }


def _plain(tensor: np.ndarray) -> list[Any]:
    """Nested lists with None for NaN."""
    plain = tensor.astype(object)
    plain[np.isnan(tensor)] = None
    return plain.tolist()


def _learned(game: EmpiricalGame, profile: Profile, gains: Gains) -> dict[str, Any]:
    regret = regret_of(gains)
    named = list(zip(game.players, game.strategies, regret.players, strict=True))
    mean, low, high = regret.nash_conv
    return {
        "profile": list(profile),
        "payoffs": [float(tensor[profile]) for tensor in game.means],
        "standard_error": [float(tensor[profile]) for tensor in game.standard_errors],
        "regret": {
            player: {"mean": own.mean, "low": own.low, "high": own.high, "best_response": names[own.best_response]}
            for player, names, own in named
        },
        "switches": [
            {
                "player": game.players[player],
                "strategy": game.strategies[player][strategy],
                "gain": float(gain),
                "low": float(gain - margin),
                "high": float(gain + margin),
            }
            for (player, strategy), gain, margin in zip(gains.rows, gains.means, gains.margins, strict=True)
            if strategy != profile[player]
        ],
        "unplayed_switches": {player: [names[s] for s in own.unplayed] for player, names, own in named},
        "nash_conv": {"mean": mean, "low": low, "high": high},
    }


def _mixed(game: EmpiricalGame, one: Equilibrium, confidence: float, rng: np.random.Generator) -> dict[str, Any]:
    return {
        "profile": [list(own) for own in _floats(one)],
        "payoffs": [float(payoff) for payoff in one.payoffs],
        "standard_error": list(payoff_errors(game, _floats(one))),
        "regret": float(one.regret),
        "epsilon": profile_regret(game, _floats(one), confidence=confidence, rng=rng).epsilon,
        "exact": one.exact,
        "method": one.method,
        "support": [list(own) for own in one.support],
    }


def _floats(one: Equilibrium) -> Distributions:
    return tuple(tuple(float(p) for p in own) for own in one.profile)


def _graph(game: EmpiricalGame, means: NormalFormGame, learned: Profile) -> dict[str, Any]:
    graph = response_graph(means, game.known)
    number = {profile: i for i, profile in enumerate(graph)}
    nodes = [
        {
            "id": number[profile],
            "profile": list(profile),
            "payoffs": list(held["payoffs"]),
            "equilibrium": held["equilibrium"],
            "learned": profile == learned,
        }
        for profile, held in graph.nodes(data=True)
    ]
    edges = [
        {
            "source": number[source],
            "target": number[target],
            "player": game.players[held["player"]],
            "gain": held["gain"],
            "standard_error": gain_of_switch(game, source, target, held["player"])[1],
        }
        for source, target, held in graph.edges(data=True)
    ]
    sinks = [[number[profile] for profile in members] for members in response_sinks(means, game.known)]
    return {"response_graph": {"nodes": nodes, "edges": edges}, "sinks": sinks}
