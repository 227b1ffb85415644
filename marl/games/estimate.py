"""Every solution concept of an empirical game: what its mean payoffs say, and how sure that is.

The concepts are those of `marl solve`, by the same functions, asked of the game of mean payoffs and of games drawn from
what the episodes leave possible (`marl.games.posterior.drawn_payoffs`): a claim's probability is the share of drawn
games in which it holds too, a number's interval runs between quantiles of what it is in them.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from marl.games.answers import Answer, Question, answers
from marl.games.claims import ABSENT, CLAIMS, NUMBERS, Entry, claims_of, numbers_of
from marl.games.concepts import CONCEPTS, concepts_for
from marl.games.empirical import EmpiricalGame
from marl.games.intervals import simultaneous_margins, without_dust
from marl.games.limits import MEGABYTES, Deadline
from marl.games.normal_form import NormalFormGame
from marl.games.posterior import MOST_PAYOFFS
from marl.games.solution import fields_of

ASKED = {*CLAIMS, *NUMBERS}
"""Concepts that are asked of drawn games; that of pure and mixed equilibria is `marl.games.support`'s."""

SOLVED = 100
"""Drawn games of which every concept is asked."""

FEWEST = 0.2
"""Where a concept was asked of a smaller share of the drawn games, nothing is said of how sure it is."""

LEAST_PROBABILITY = 0.05
"""Claims that do not hold for the mean payoffs are listed from this probability on."""

MOST_RIVALS = 5
"""So many of them are listed of each concept, the most likely ones."""

LEAST_MASS = 0.01
"""Profiles to which alpha-rank gives less get no interval."""


def estimated_concepts(
    game: EmpiricalGame,
    tables: np.ndarray | None,
    *,
    confidence: float,
    time_limit: float,
    rng: np.random.Generator,
    megabytes: int = MEGABYTES,
) -> dict[str, Any]:
    """The record "concepts" of an analysis (docs/run_directory.md lists its fields), as plain lists and numbers.

    `tables` are drawn games, of which the first SOLVED are solved; None where none were drawn: then nothing is said of
    how sure the concepts are. Half of `time_limit` seconds may be spent on the mean payoffs, the rest on drawn games;
    where it does not suffice the record says which concept has no answer or fewer drawn games. With missing profiles
    all concepts are left out.
    """
    record: dict[str, Any] = {"confidence": confidence, "time_limit": time_limit, "left_out": [], "missing": []}
    if game.missing:
        left_out = [name for name, concept in CONCEPTS.items() if not concept.of_trees]
        record |= {"left_out": left_out, "missing": [list(profile) for profile in game.missing]}
        return record | {"solution": None, "symmetry": None, "wanted": 0, "draws": {}, "claims": [], "numbers": []}
    means = game.to_normal_form()
    symmetry = seat_symmetry(game, confidence=confidence, rng=rng)
    drawn = () if tables is None else tables[:1] if _all_alike(tables) else tables[:SOLVED]
    games = {False: [means, *map(NormalFormGame, drawn)]}
    if symmetry is not None and symmetry["fits"]:
        games[True] = [NormalFormGame(seats_averaged(table)) for table in (game.means, *drawn)]
    names = concepts_for(means)
    found = _asked(names, games, Deadline(time_limit), megabytes)
    solution = fields_of({name: first for name, (first, _) in found.items()})
    record |= {"solution": solution, "symmetry": symmetry, "wanted": len(drawn)}
    record |= {"claims": [], "numbers": []}
    record["draws"] = {name: len(others) for name, (_, others) in found.items() if others is not None}
    for name, (first, others) in found.items():
        enough = others if others and len(others) >= FEWEST * len(drawn) else []
        record["claims"] += _claims(name, first, enough)
        record["numbers"] += _numbers(name, first, enough, confidence)
    return record


def _asked(
    names: Sequence[str], games: Mapping[bool, Sequence[NormalFormGame]], deadline: Deadline, megabytes: int
) -> dict[str, tuple[Answer, list[Answer] | None]]:
    """By concept, what the mean payoffs answer and what drawn games do, None where these were not asked.

    `games` are the game of mean payoffs and the drawn ones, as they are (False) and, where they fit a symmetric game,
    with the seats averaged (True).
    """
    of = {name: games[name == "ess" and True in games] for name in names}
    again = [name for name in names if name in ASKED and (name != "ess" or True in games) and len(of[name]) > 1]
    kept = deadline.seconds / 2 if again else 0.0
    questions = [Question(name, of[name][:1], kept=kept) for name in names]
    # Each drawn concept gets its fair part of what is left, and what it does not need is the next ones'.
    questions += [Question(name, of[name][1:], 1 / (len(again) - k), many=True) for k, name in enumerate(again)]
    found = answers(questions, deadline, megabytes)
    drawn = dict(zip(again, found[len(names) :], strict=True))
    return {name: (own[0], drawn.get(name)) for name, own in zip(names, found, strict=False)}


def _claims(concept: str, first: Answer, others: Sequence[Answer]) -> list[dict[str, Any]]:
    """The claims of the mean payoffs with their probabilities, and the likely ones among those of drawn games only."""
    own = [] if isinstance(first, str) else claims_of(concept, first)
    entries, times = {_key(one): one for one in own}, Counter[str]()
    for answer in others:
        for one in [] if isinstance(answer, str) else claims_of(concept, answer):
            entries.setdefault(_key(one), one)
            times[_key(one)] += 1
    holding = {_key(one) for one in own}
    rivals = [key for key, count in times.most_common() if key not in holding]
    rivals = [key for key in rivals if times[key] >= LEAST_PROBABILITY * len(others)][:MOST_RIVALS]
    return [
        {
            "concept": concept,
            **entries[key],
            "holds": key in holding,
            "probability": times[key] / len(others) if others else None,
        }
        for key in [*map(_key, own), *rivals]
    ]


def _numbers(concept: str, first: Answer, others: Sequence[Answer], confidence: float) -> list[dict[str, Any]]:
    """The numbers of the mean payoffs with their intervals over the drawn games."""
    own = [] if isinstance(first, str) else numbers_of(concept, first)
    tables = [{_key(name): value for name, value in _stated(concept, answer)} for answer in others]
    listed = []
    for name, estimate in own:
        if name["number"] == "alpha_rank_mass" and (estimate or 0.0) < LEAST_MASS:
            continue
        values = [table.get(_key(name), ABSENT.get(name["number"])) for table in tables]
        known = [value for value in values if value is not None]
        low, high = (
            _settled(np.quantile(known, (1 + side * confidence) / 2), estimate) if known else None for side in (-1, 1)
        )
        shares = {"low": low, "high": high, "defined": len(known) / len(values) if values else None}
        listed.append({"concept": concept, **name, "estimate": estimate, **shares})
    return listed


def _stated(concept: str, answer: Answer) -> list[tuple[Entry, float | None]]:
    return [] if isinstance(answer, str) else numbers_of(concept, answer)


def _settled(value: float, estimate: float | None) -> float:
    """The estimate itself where only rounding parts the two."""
    close = estimate is not None and math.isclose(value, estimate, rel_tol=1e-9, abs_tol=1e-9)
    return float(value if estimate is None or not close else estimate)


def _key(entry: Entry) -> str:
    return json.dumps(entry, sort_keys=True)


def _all_alike(tables: np.ndarray) -> bool:
    return bool((tables == tables[0]).all())


def seat_symmetry(game: EmpiricalGame, *, confidence: float, rng: np.random.Generator) -> dict[str, Any] | None:
    """Whether two players with the same strategies might be two seats of a symmetric game.

    `fits` where no payoff changes by more than chance allows when the players swap seats: simultaneous intervals of all
    differences hold zero. `largest_gap` is the one that fits least, `margin` the half-width of its interval. None for
    other games, with missing profiles, and above MOST_PAYOFFS payoffs. Raises SolverError where a profile has one
    episode only.
    """
    shared = len(game.shape) == 2 and game.strategies[0] == game.strategies[1]
    if not shared or game.missing or game.means.size > MOST_PAYOFFS:
        return None
    _, means, covariance = game.joint
    own = 2 * np.arange(len(means) // 2)
    other = 2 * np.arange(len(own)).reshape(game.shape).T.ravel() + 1
    crossed = covariance[np.ix_(own, other)]
    between = covariance[np.ix_(own, own)] + covariance[np.ix_(other, other)] - crossed - crossed.T
    between = without_dust(between, game.resolution)
    margins = simultaneous_margins(between, int(game.counts.min()) - 1, confidence, rng)
    gaps = np.abs(means[own] - means[other])
    worst = int(np.argmax(gaps - margins))
    fits = bool((gaps <= margins + game.resolution).all())
    return {"fits": fits, "largest_gap": float(gaps[worst]), "margin": float(margins[worst])}


def seats_averaged(table: np.ndarray) -> np.ndarray:
    """The symmetric game [2, strategies, strategies] in which either seat is taken half of the time."""
    own = (table[0] + table[1].T) / 2
    return np.stack([own, own.T])
