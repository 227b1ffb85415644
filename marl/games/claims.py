"""What a concept's fields claim, and the numbers that they state, in a form that can be compared between games."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from marl.games.solving import released

Fields = Mapping[str, Any]
"""The fields of one concept, as `marl.games.concepts` computes them."""

Entry = dict[str, Any]
"""A claim ({"claim": what, ...of whom}) or the name of a number ({"number": which, ...of whom})."""

MOST_TOGETHER = 8
"""Profiles of a sink up to which it is a claim; the sinks of large games differ in some profile or other."""


def claims_of(concept: str, fields: Fields) -> list[Entry]:
    """All that the concept claims of the game, each as {"claim", and strategies or profiles by index}."""
    return list(CLAIMS[concept](fields)) if concept in CLAIMS else []


def numbers_of(concept: str, fields: Fields) -> list[tuple[Entry, float | None]]:
    """Each number that the concept states: its name, {"number", and whose}, and the value, None where undefined."""
    return list(NUMBERS[concept](fields)) if concept in NUMBERS else []


def _dominance(fields: Fields) -> Iterator[Entry]:
    dropped = [one for part in fields["dominance"]["strict"]["rounds"] for one in part]
    for one in dropped:
        yield {"claim": "dominated", "player": one["player"], "strategy": one["strategy"]}
    if not dropped:
        yield {"claim": "nothing_dominated"}
    if all(len(own) == 1 for own in fields["rationalizable"]):
        yield {"claim": "dominance_solvable", "profile": [own[0] for own in fields["rationalizable"]]}


def _welfare(fields: Fields) -> Iterator[Entry]:
    yield {"claim": "social_optimum", "profile": fields["social_optimum"]}
    for profile in fields["pareto"]:
        yield {"claim": "pareto_efficient", "profile": profile}


def _sinks(fields: Fields) -> Iterator[Entry]:
    for members in fields["better_response_sinks"]:
        if len(members) <= MOST_TOGETHER:
            yield {"claim": "better_response_sink", "profiles": members}


def _alpha_rank(fields: Fields) -> Iterator[Entry]:
    yield {"claim": "alpha_rank_top", "profile": fields["alpha_rank"]["masses"][0]["profile"]}


def _stable(fields: Fields) -> Iterator[Entry]:
    for mixture in fields["ess"]:
        yield {"claim": "evolutionarily_stable", "support": _support(mixture)}
    if not fields["ess"]:
        yield {"claim": "nothing_evolutionarily_stable"}


def _selection(fields: Fields) -> Iterator[Entry]:
    best = fields["payoff_dominant"]
    if best is None:
        yield {"claim": "nothing_payoff_dominant"}
    else:
        yield {"claim": "payoff_dominant", "support": [_support(own) for own in best["profile"]]}
    for one in fields["risk_dominance"] or ():
        if one["dominant"] is not None:
            over = next(profile for profile in one["pair"] if profile != one["dominant"])
            yield {"claim": "risk_dominant", "profile": one["dominant"], "over": over}


def _commitment(fields: Fields) -> Iterator[Entry]:
    for one in fields["stackelberg"]:
        yield {"claim": "reply_to_leader", "leader": one["leader"], "strategy": one["reply"]}


def _support(mixture: list[Any]) -> list[int]:
    return [s for s, weight in enumerate(mixture) if released(weight) > 0]


def _price_numbers(fields: Fields) -> Iterator[tuple[Entry, float | None]]:
    for name in ("price_of_anarchy", "price_of_stability"):
        yield {"number": name}, fields[name]
    welfare = fields["equilibrium_welfare"] or {"min": None, "max": None}
    yield {"number": "worst_equilibrium_welfare"}, welfare["min"]
    yield {"number": "best_equilibrium_welfare"}, welfare["max"]


def _correlated_numbers(name: str) -> Callable[[Fields], Iterator[tuple[Entry, float | None]]]:
    def numbers(fields: Fields) -> Iterator[tuple[Entry, float | None]]:
        for end in ("min_welfare", "max_welfare"):
            yield {"number": end}, fields[name][end]

    return numbers


def _mass_numbers(fields: Fields) -> Iterator[tuple[Entry, float | None]]:
    for one in fields["alpha_rank"]["masses"]:
        yield {"number": "alpha_rank_mass", "profile": one["profile"]}, one["mass"]


def _by_player(number: str, values: Callable[[Fields], list[Any]]) -> Callable[[Fields], Iterator[Any]]:
    def numbers(fields: Fields) -> Iterator[tuple[Entry, float | None]]:
        for player, value in enumerate(values(fields)):
            yield {"number": number, "player": player}, value

    return numbers


CLAIMS: dict[str, Callable[[Fields], Iterator[Entry]]] = {
    "dominance": _dominance,
    "welfare": _welfare,
    "sinks": _sinks,
    "alpha_rank": _alpha_rank,
    "ess": _stable,
    "selection": _selection,
    "commitment": _commitment,
}

NUMBERS: dict[str, Callable[[Fields], Iterator[tuple[Entry, float | None]]]] = {
    "welfare": lambda fields: iter([({"number": "max_welfare"}, fields["max_welfare"])]),
    "regret": lambda fields: iter([({"number": "nash_conv"}, fields["nash_conv"])]),
    "alpha_rank": _mass_numbers,
    "prices": _price_numbers,
    "correlated": _correlated_numbers("correlated"),
    "coarse_correlated": _correlated_numbers("coarse_correlated"),
    "security": _by_player("security_level", lambda fields: fields["security_levels"]),
    "commitment": _by_player("leader_payoff", lambda f: [one["leader_payoff"] for one in f["stackelberg"]]),
    "bargaining": _by_player("bargained_payoff", lambda fields: fields["nash_bargaining"]["payoffs"]),
}

ABSENT = {"alpha_rank_mass": 0.0}
"""What a number is in a game whose fields leave it out, where that is not "undefined"."""
