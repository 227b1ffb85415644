"""The solution concepts of the empirical game for reading: what the means say, and how sure it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marl.report import formats
from marl.report.game import Strategies, profile_names

TITLES = {
    "dominance": "Dominance",
    "welfare": "Welfare",
    "prices": "Price of equilibria",
    "selection": "Choice of an equilibrium",
    "ess": "Evolutionary stability",
    "sinks": "Better-response sinks",
    "alpha_rank": "Alpha-rank",
    "correlated": "Correlated equilibria",
    "coarse_correlated": "Coarse correlated equilibria",
    "security": "Security",
    "commitment": "Commitment",
    "bargaining": "Nash bargaining",
    "regret": "Uniform play",
}
"""The concepts of the table, in its order."""

NUMBERS = {
    "max_welfare": "largest welfare",
    "min_welfare": "least welfare",
    "price_of_anarchy": "price of anarchy",
    "price_of_stability": "price of stability",
    "worst_equilibrium_welfare": "welfare of the worst equilibrium",
    "best_equilibrium_welfare": "welfare of the best equilibrium",
    "alpha_rank_mass": "share of the long run at",
    "security_level": "secured by",
    "leader_payoff": "payoff as leader of",
    "bargained_payoff": "payoff of",
    "nash_conv": "NashConv",
}

FOLDED = {
    *("regret", "security", "reply_to_leader", "worst_equilibrium_welfare", "best_equilibrium_welfare"),
    "alpha_rank_mass",
}
"""Concepts, claims and numbers that are shown only when the reader unfolds the rest."""

MOST_CLAIMS = 4
"""Of each concept so many claims are shown before the rest is unfolded."""

MOST_PLANNED = 8

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class ConceptRow:
    """One line: the concept, what is said, and in how many drawn games it holds or the interval of a number."""

    concept: str
    says: str
    sure: str


@dataclass(frozen=True)
class ConceptView:
    """The table of concepts: `rows` at once, `more` folded away; `notes` on what has no answer or fewer draws."""

    rows: list[ConceptRow]
    more: list[ConceptRow]
    notes: list[str]
    drawn: int
    confidence: float


@dataclass(frozen=True)
class PlanView:
    """Which profiles need how many more episodes: (names, played, more), and what they would decide."""

    undecided: int
    questions: int
    tolerance: float
    rows: list[tuple[str, int, int]]
    left_out: int


def concept_view(analysis: Mapping[str, Any]) -> ConceptView | None:
    """Arrange `concepts` of analysis.json; None for an analysis without them."""
    record = analysis.get("concepts")
    if record is None:
        return None
    players, strategies = analysis["game"]["players"], analysis["game"]["strategies"]
    rows: list[ConceptRow] = []
    more: list[ConceptRow] = []
    for concept, title in TITLES.items():
        claims = [one for one in record["claims"] if one["concept"] == concept]
        holding = [one for one in claims if one["holds"]]
        for k, one in enumerate([*holding, *(one for one in claims if not one["holds"])]):
            says = _claim(one, players, strategies)
            shown = k < MOST_CLAIMS and one["holds"] and not {concept, one["claim"]} & FOLDED
            says = says if one["holds"] else f"in drawn games only: {says}"
            (rows if shown else more).append(ConceptRow(title, says, _share(one["probability"], record["wanted"])))
        for one in record["numbers"]:
            if one["concept"] == concept:
                row = ConceptRow(title, _number(one, players, strategies), _interval(one))
                (more if {concept, one["number"]} & FOLDED else rows).append(row)
    notes = [_left_out(record, strategies)] if record["left_out"] else []
    solution = record["solution"] or {"notes": {}}
    notes += [f"{TITLES.get(name, name)} has no answer: {reason}." for name, reason in solution["notes"].items()]
    few = {name: count for name, count in record["draws"].items() if count < record["wanted"]}
    notes += [f"{TITLES.get(name, name)} rests on {count} drawn games." for name, count in few.items()]
    return ConceptView(rows, more, notes, record["wanted"], record["confidence"])


def plan_view(analysis: Mapping[str, Any]) -> PlanView | None:
    """Arrange the refinement plan; None where nothing is to be played."""
    plan = analysis.get("refinement")
    if not plan or not plan["profiles"]:
        return None
    strategies = analysis["game"]["strategies"]
    rows = [(_names(one["profile"], strategies), one["played"], one["more"]) for one in plan["profiles"]]
    left = len(rows) - MOST_PLANNED
    return PlanView(plan["undecided"], plan["questions"], plan["tolerance"], rows[:MOST_PLANNED], max(0, left))


def _claim(one: Entry, players: Sequence[str], strategies: Strategies) -> str:
    kind = one["claim"]
    if kind == "dominated":
        return f"{strategies[one['player']][one['strategy']]} of {players[one['player']]} is strictly dominated"
    if kind == "reply_to_leader":
        follower = 1 - one["leader"]
        reply = strategies[follower][one["strategy"]]
        return f"{players[one['leader']]} leads, {players[follower]} answers {reply}"
    if kind == "risk_dominant":
        return f"{_names(one['profile'], strategies)} risk dominates {_names(one['over'], strategies)}"
    if kind == "better_response_sink":
        return f"sink: {' ↔ '.join(_names(profile, strategies) for profile in one['profiles'])}"
    if kind == "payoff_dominant":
        return f"{_support(one['support'], strategies)} is payoff dominant"
    if kind == "evolutionarily_stable":
        return f"{_support([one['support']], strategies)} is evolutionarily stable"
    said = {
        "nothing_dominated": "no strategy is strictly dominated",
        "nothing_payoff_dominant": "no equilibrium is payoff dominant",
        "nothing_evolutionarily_stable": "nothing is evolutionarily stable",
        "dominance_solvable": "only {} is rationalizable",
        "social_optimum": "{} is the social optimum",
        "pareto_efficient": "{} is Pareto efficient",
        "alpha_rank_top": "{} is ranked first",
    }[kind]
    return said.format(_names(one["profile"], strategies)) if "profile" in one else said


def _number(one: Entry, players: Sequence[str], strategies: Strategies) -> str:
    whose = f" {players[one['player']]}" if "player" in one else ""
    whose += f" {_names(one['profile'], strategies)}" if "profile" in one else ""
    value = "undefined" if one["estimate"] is None else formats.number(one["estimate"])
    return f"{NUMBERS[one['number']]}{whose}: {value}"


def _interval(one: Entry) -> str:
    if one["low"] is None:
        return formats.ABSENT
    if one["low"] == one["high"] == one["estimate"]:
        return "sure"
    return formats.span(one["low"], one["high"]) + (
        f", undefined in {formats.percent(1 - one['defined'])}" if one["defined"] < 1 else ""
    )


def _share(probability: float | None, drawn: int) -> str:
    return formats.ABSENT if probability is None else "sure" if drawn == 1 else formats.percent(probability)


def _names(profile: Sequence[int], strategies: Strategies) -> str:
    return f"({', '.join(profile_names(profile, strategies))})"


def _support(support: Iterable[Sequence[int]], strategies: Strategies) -> str:
    sides = [" or ".join(own[s] for s in used) for used, own in zip(support, strategies, strict=False)]
    return f"({', '.join(sides)})"


def _left_out(record: Mapping[str, Any], strategies: Strategies) -> str:
    profiles = [_names(profile, strategies) for profile in record["missing"][:3]]
    profiles += [f"{len(record['missing']) - 3} more"] if len(record["missing"]) > 3 else []
    return f"The solution concepts need the payoffs of all profiles; never played: {formats.listing(profiles)}."
