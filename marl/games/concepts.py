"""The solution concepts that `solve` knows: for each the fields of its record, and the function that computes them."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from marl.errors import SolverError
from marl.games.components import equilibrium_components
from marl.games.correlated import CorrelatedEquilibrium, Objective, correlated_equilibrium
from marl.games.dominance import Elimination, iterated_elimination
from marl.games.equilibrium import Equilibrium, EquilibriumSet
from marl.games.evolutionary_stability import evolutionarily_stable, is_symmetric
from marl.games.extensive.game import ExtensiveGame
from marl.games.lemke_howson import lemke_howson
from marl.games.normal_form import NormalFormGame, Number
from marl.games.pure import pure_equilibria, pure_equilibrium
from marl.games.response_graph import response_sinks
from marl.games.selection import payoff_dominant, risk_comparisons
from marl.games.solving import Concept, Solving, held, plain
from marl.games.tree_concepts import TREE_CONCEPTS, security_of_tree, tree_fields, uniform_regrets
from marl.games.welfare import (
    equilibrium_welfare,
    pareto_set,
    price_of_anarchy,
    price_of_stability,
    social_optimum,
)
from marl.games.zero_sum import is_constant_sum

AGREEMENT = 1e-6
LEAST_MASS = 1e-9
"""Profiles that alpha-rank gives less are left out of the record."""

MAX_ENTROPY_PROFILES = 2_000


def game_fields(game: NormalFormGame | ExtensiveGame) -> dict[str, Any]:
    """The game's names and size."""
    if isinstance(game, ExtensiveGame):
        return tree_fields(game)
    return {
        "players": list(game.players),
        "strategies": [list(own) for own in game.strategies],
        "exact": game.exact,
    }


def concepts_for(game: NormalFormGame | ExtensiveGame) -> tuple[str, ...]:
    """The names of the concepts that make sense for such a game."""
    tree = isinstance(game, ExtensiveGame)
    return tuple(name for name, concept in CONCEPTS.items() if tree or not concept.of_trees)


def _pure(solving: Solving) -> dict[str, Any]:
    return {"pure": [list(profile) for profile in pure_equilibria(solving.game)]}


def _welfare(solving: Solving) -> dict[str, Any]:
    profile, _ = social_optimum(solving.game)
    welfare = sum(pure_equilibrium(solving.game, profile).payoffs)
    efficient = [list(one) for one in pareto_set(solving.game)]
    return {"max_welfare": plain(welfare), "social_optimum": list(profile), "pareto": efficient}


def _regret(solving: Solving) -> dict[str, Any]:
    if solving.tree is not None:
        found = uniform_regrets(solving.tree)
        return {"uniform_regret": [plain(value) for value in found], "nash_conv": plain(sum(found))}
    uniform = [[Fraction(1, k) if solving.game.exact else 1 / k] * k for k in solving.game.shape]
    regrets = solving.game.regret(uniform)
    return {"uniform_regret": [plain(value) for value in regrets], "nash_conv": plain(sum(regrets))}


def _dominance(solving: Solving) -> dict[str, Any]:
    strict = iterated_elimination(solving.game, time_limit=solving.share)
    found = {"strict": _elimination(strict)}
    if not solving.brief:
        found["weak"] = _elimination(iterated_elimination(solving.game, strict=False, time_limit=solving.share))
    return {
        "dominance": found,
        "rationalizable": [list(own) for own in strict.remaining],
    }


def _elimination(found: Elimination) -> dict[str, Any]:
    rounds = [
        [{"player": one.player, "strategy": one.strategy, "by": [held(w) for w in one.by]} for one in dropped]
        for dropped in found.rounds
    ]
    return {"rounds": rounds, "remaining": [list(own) for own in found.remaining], "exact": found.exact}


def _security(solving: Solving) -> dict[str, Any]:
    of_tree = security_of_tree(solving)
    if of_tree is not None:
        return of_tree
    levels = solving.security_levels
    return {
        "security_levels": [plain(level) for level in levels],
        "zero_sum_value": plain(levels[0]) if is_constant_sum(solving.game) else None,
    }


def _mixed(solving: Solving) -> dict[str, Any]:
    found = solving.equilibria
    fields = {
        "mixed": [_equilibrium(one) for one in found.equilibria],
        "complete": found.complete,
        "completeness": found.reason,
        "degenerate": found.degenerate,
        "components": None,
        "agreement": _agreement(solving, found),
    }
    if len(solving.game.shape) == 2 and found.complete == "yes":
        components = equilibrium_components(found.equilibria, time_limit=solving.share)
        fields["components"] = [
            {"equilibria": list(one.equilibria), "maximal_nash_subsets": [list(s.equilibria) for s in one.subsets]}
            for one in components
        ]
    return fields


def _equilibrium(one: Equilibrium) -> dict[str, Any]:
    return {
        "profile": [[held(p) for p in own] for own in one.profile],
        "payoffs": [held(payoff) for payoff in one.payoffs],
        "regret": held(one.regret),
        "exact": one.exact,
        "method": one.method,
    }


def equilibrium_of(record: Mapping[str, Any]) -> Equilibrium:
    """The equilibrium that stands in the field "mixed", exact where it was."""

    def number(value: str | float) -> Number:
        return Fraction(value) if isinstance(value, str) else value

    profile = tuple(tuple(number(p) for p in own) for own in record["profile"])
    payoffs = tuple(map(number, record["payoffs"]))
    return Equilibrium(profile, payoffs, number(record["regret"]), record["exact"], record["method"])


def _agreement(solving: Solving, found: EquilibriumSet) -> list[dict[str, Any]]:
    """Where a second method can be asked, whether its answers are among the first one's."""
    pure = {one.pure for one in found.equilibria if one.pure is not None}
    checks = [_check("pure equilibria", "comparison of payoffs", pure == set(pure_equilibria(solving.game)), found)]
    if len(solving.game.shape) == 2 and found.complete == "yes":
        known = [_point(one) for one in found.equilibria]
        ends = [lemke_howson(solving.game, label, max_pivots=1000) for label in range(sum(solving.game.shape))]
        points = [_point(one) for one in ends if one is not None]
        agree = all(min(np.abs(point - other).max() for other in known) < AGREEMENT for point in points)
        if points:
            checks.append(_check(f"{len(points)} path ends", "Lemke-Howson", agree, found))
    return checks


def _check(question: str, second: str, agree: bool, found: EquilibriumSet) -> dict[str, Any]:
    methods = sorted({one.method for one in found.equilibria})
    return {"question": question, "methods": [*methods, second], "agree": agree}


def _point(one: Equilibrium) -> np.ndarray:
    return np.array([float(p) for own in one.profile for p in own])


def _prices(solving: Solving) -> dict[str, Any]:
    profile, _ = social_optimum(solving.game)
    optimum = sum(pure_equilibrium(solving.game, profile).payoffs)
    welfare = equilibrium_welfare(solving.game, solving.equilibria.equilibria, optimum)
    paid = [(own,) for own in welfare]
    return {
        "price_of_anarchy": plain(price_of_anarchy(optimum, paid)),
        "price_of_stability": plain(price_of_stability(optimum, paid)),
        "equilibrium_welfare": {"min": plain(min(welfare)), "max": plain(max(welfare))} if welfare else None,
        "prices_are": "exact" if solving.equilibria.complete == "yes" else "bounds",
    }


def _stable(solving: Solving) -> dict[str, Any]:
    if not is_symmetric(solving.game):
        raise SolverError("undefined: the game is not a symmetric two-player game")
    if solving.equilibria.complete != "yes":
        raise SolverError("unknown: the equilibria are not all known")
    stable = evolutionarily_stable(solving.game, solving.equilibria.equilibria, time_limit=solving.share)
    return {"ess": [[held(p) for p in one.profile[0]] for one in stable]}


def _selection(solving: Solving) -> dict[str, Any]:
    best = payoff_dominant(solving.equilibria.equilibria)
    fields: dict[str, Any] = {"payoff_dominant": None if best is None else _equilibrium(best), "risk_dominance": None}
    if len(solving.game.shape) == 2:
        fields["risk_dominance"] = [
            {
                "pair": [list(one.first), list(one.second)],
                "products": [plain(value) for value in one.products],
                "dominant": None if one.dominant is None else list(one.dominant),
            }
            for one in risk_comparisons(solving.game)
        ]
    return fields


def _sinks(solving: Solving) -> dict[str, Any]:
    sinks = response_sinks(solving.game, responses="better")
    return {"better_response_sinks": [[list(profile) for profile in members] for members in sinks]}


def _alpha_rank(solving: Solving) -> dict[str, Any]:
    # With scipy.sparse a quarter of a second to import: not for everybody who imports marl.games.
    from marl.games.alpha_rank import alpha_rank

    found = alpha_rank(solving.game)
    weighty = [profile for profile in found.ranking if found.masses[profile] >= LEAST_MASS]
    return {
        "alpha_rank": {
            "alpha": found.alpha,
            "population": found.population,
            "populations": found.populations,
            "method": found.method,
            "masses": [{"profile": list(one), "mass": float(found.masses[one])} for one in weighty],
        }
    }


def _correlated(solving: Solving, coarse: bool) -> dict[str, Any]:
    objectives: list[Objective] = ["max_welfare", "min_welfare"]
    if not solving.brief:
        objectives.append("fairest")
        if int(np.prod(solving.game.shape)) <= MAX_ENTROPY_PROFILES:
            objectives.append("max_entropy")
    found = {
        objective: correlated_equilibrium(
            solving.game, objective, coarse=coarse, prove=not solving.brief, time_limit=solving.share
        )
        for objective in objectives
    }
    name = "coarse_correlated" if coarse else "correlated"
    return {
        name: {
            "max_welfare": plain(found["max_welfare"].welfare),
            "min_welfare": plain(found["min_welfare"].welfare),
            **{f"{objective}_equilibrium": _distribution(one) for objective, one in found.items()},
        }
    }


def _distribution(one: CorrelatedEquilibrium) -> dict[str, Any]:
    played = [tuple(int(s) for s in profile) for profile in np.argwhere(one.distribution > 0)]
    return {
        "played": [{"profile": list(profile), "probability": held(one.distribution[profile])} for profile in played],
        "payoffs": [held(payoff) for payoff in one.payoffs],
        "regret": held(one.regret),
        "exact": one.exact,
        "method": one.method,
    }


def _commitment(solving: Solving) -> dict[str, Any]:
    # With scipy.optimize half a second to import, as bargaining: not for everybody who imports marl.games.
    from marl.games.stackelberg import stackelberg

    found = [stackelberg(solving.game, leader, time_limit=solving.share) for leader in (0, 1)]
    return {
        "stackelberg": [
            {
                "leader": leader,
                "strategy": one.strategy.tolist(),
                "reply": one.reply,
                "leader_payoff": one.leader_payoff,
                "follower_payoff": one.follower_payoff,
            }
            for leader, one in enumerate(found)
        ]
    }


def _bargaining(solving: Solving) -> dict[str, Any]:
    from marl.games.bargaining import nash_bargaining

    found = nash_bargaining(solving.game, [float(level) for level in solving.security_levels])
    played = [tuple(int(s) for s in profile) for profile in np.argwhere(found.joint > LEAST_MASS)]
    return {
        "nash_bargaining": {
            "payoffs": found.payoffs.tolist(),
            "disagreement": found.disagreement.tolist(),
            "played": [{"profile": list(profile), "probability": float(found.joint[profile])} for profile in played],
            "gap": found.gap,
        }
    }


CONCEPTS = {
    "pure": Concept(("pure",), _pure),
    "welfare": Concept(("max_welfare", "social_optimum", "pareto"), _welfare),
    "regret": Concept(("uniform_regret", "nash_conv"), _regret),
    **TREE_CONCEPTS,
    "sinks": Concept(("better_response_sinks",), _sinks),
    "alpha_rank": Concept(("alpha_rank",), _alpha_rank),
    "mixed": Concept(("mixed", "complete", "completeness", "degenerate", "components", "agreement"), _mixed),
    "prices": Concept(("price_of_anarchy", "price_of_stability", "equilibrium_welfare", "prices_are"), _prices),
    "ess": Concept(("ess",), _stable),
    "selection": Concept(("payoff_dominant", "risk_dominance"), _selection),
    "correlated": Concept(("correlated",), lambda solving: _correlated(solving, False)),
    "coarse_correlated": Concept(("coarse_correlated",), lambda solving: _correlated(solving, True)),
    "dominance": Concept(("dominance", "rationalizable"), _dominance),
    "security": Concept(("security_levels", "zero_sum_value"), _security),
    "commitment": Concept(("stackelberg",), _commitment),
    "bargaining": Concept(("nash_bargaining",), _bargaining),
}
"""Every concept by name, in the order in which they are computed: quick ones first."""
