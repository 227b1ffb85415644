"""Concepts of estimated games: what the means say, what noise leaves open, and what has no answer."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from known_games import TWO_PLAYERS, volunteers_dilemma
from scipy import stats

from marl.games.claims import CLAIMS, NUMBERS
from marl.games.concepts import CONCEPTS
from marl.games.empirical import EmpiricalGame
from marl.games.estimate import estimated_concepts, seat_symmetry, seats_averaged
from marl.games.normal_form import NormalFormGame
from marl.games.posterior import drawn_payoffs
from marl.games.selection import risk_comparisons
from marl.games.solution import solve

STAG, DILEMMA = (np.array(TWO_PLAYERS[name][:2], dtype=float) for name in ("stag_hunt", "prisoners_dilemma"))


def played(payoffs: np.ndarray, episodes: int = 40, noise: float = 1.0, seed: int = 0, drop: Any = ()) -> EmpiricalGame:
    rng = np.random.default_rng(seed)
    players = [f"p{k}" for k in range(len(payoffs))]
    samples = {
        p: payoffs[(slice(None), *p)] + noise * rng.standard_normal((episodes, len(payoffs)))
        for p in np.ndindex(payoffs.shape[1:])
        if p not in drop
    }
    return EmpiricalGame(players, [[f"s{k}" for k in range(size)] for size in payoffs.shape[1:]], samples)


def concepts(game: EmpiricalGame, time_limit: float = 120.0, draws: int | None = 16) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    tables = None if draws is None else drawn_payoffs(game, rng=rng, draws=draws)
    return estimated_concepts(game, tables, confidence=0.9, time_limit=time_limit, rng=rng)


def claim(record: dict[str, Any], **wanted: Any) -> dict[str, Any]:
    (found,) = [one for one in record["claims"] if wanted.items() <= one.items()]
    return found


@pytest.fixture(scope="module")
def noisy() -> tuple[EmpiricalGame, dict[str, Any]]:
    game = played(STAG, noise=8.0)
    return game, concepts(game)


def test_the_record_is_plain_and_has_every_concept_of_solve(noisy: tuple[EmpiricalGame, dict[str, Any]]) -> None:
    _, record = noisy
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    expected = {field for concept in CONCEPTS.values() if not concept.of_trees for field in concept.fields}
    assert set(record["solution"]) == {"notes", *expected}
    assert record["draws"] == dict.fromkeys([name for name in CONCEPTS if name in {*CLAIMS, *NUMBERS}], 16)
    assert {one["concept"] for one in record["claims"]} == set(CLAIMS)
    assert {one["concept"] for one in record["numbers"]} == set(NUMBERS)


def test_the_solution_is_that_of_solve_for_the_mean_payoffs(noisy: tuple[EmpiricalGame, dict[str, Any]]) -> None:
    game, record = noisy
    solved = solve(game.to_normal_form())
    for field, value in record["solution"].items():
        if field not in {"notes", "ess"}:  # the seats are averaged for evolutionary stability
            assert value == solved[field], field


def test_probabilities_are_shares_of_the_drawn_payoffs(noisy: tuple[EmpiricalGame, dict[str, Any]]) -> None:
    game, record = noisy
    tables = drawn_payoffs(game, rng=np.random.default_rng(0), draws=16)
    assert tables is not None
    welfare = tables.sum(axis=1).reshape(16, -1)
    for k, profile in enumerate(np.ndindex(2, 2)):
        share = (welfare.argmax(axis=1) == k).mean()
        listed = [c for c in record["claims"] if c["claim"] == "social_optimum" and c["profile"] == list(profile)]
        assert [one["probability"] for one in listed] == ([share] if share >= 0.05 or listed else [])
    (largest,) = [one for one in record["numbers"] if one["number"] == "max_welfare" and one["concept"] == "welfare"]
    assert [largest["low"], largest["high"]] == pytest.approx(np.quantile(welfare.max(axis=1), [0.05, 0.95]))
    hare = [
        any(one.dominant == (1, 1) and (0, 0) in (one.first, one.second) for one in risk_comparisons(game))
        for game in map(NormalFormGame, tables)
    ]
    assert claim(record, claim="risk_dominant", profile=[1, 1])["probability"] == np.mean(hare)


def test_dominance_by_one_uncertain_payoff_has_students_probability() -> None:
    """b cannot choose: a's x is dominated where y pays more, and a paired t test says how sure that is."""
    values = np.random.default_rng(1).normal([0.0, 0.25], 1.0, (20, 2))
    samples = {(s, 0): np.stack([values[:, s], np.zeros(20)], 1) for s in (0, 1)}
    record = concepts(EmpiricalGame.from_samples({"a": ("x", "y"), "b": ("z",)}, samples), draws=100)
    gaps = values[:, 1] - values[:, 0]
    expected = stats.t.cdf(gaps.mean() / stats.sem(gaps), 19)
    assert 0.6 < expected < 0.98
    found = claim(record, claim="dominated", player=0, strategy=0)["probability"]
    assert found == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 100))


def test_quiet_games_say_what_the_theory_says() -> None:
    record = concepts(played(DILEMMA, noise=0.05))
    assert claim(record, claim="dominance_solvable")["profile"] == [1, 1]
    assert all(one["probability"] == 1.0 for one in record["claims"] if one["holds"])
    assert claim(record, claim="evolutionarily_stable")["support"] == [1]


def test_without_noise_one_game_is_enough_and_all_is_sure() -> None:
    record = concepts(played(STAG, episodes=2, noise=0.0))
    assert record["wanted"] == 1
    assert all(one["holds"] and one["probability"] == 1.0 for one in record["claims"])
    assert all(one["low"] == one["high"] == one["estimate"] for one in record["numbers"])


def test_seats_are_alike_only_where_chance_allows() -> None:
    rng = np.random.default_rng(0)
    alike = seat_symmetry(played(STAG), confidence=0.95, rng=rng)
    assert alike is not None
    assert alike["fits"]
    other = seat_symmetry(played(np.array(TWO_PLAYERS["battle_of_the_sexes"][:2]) * 9.0), confidence=0.95, rng=rng)
    assert other is not None
    assert not other["fits"]
    assert other["largest_gap"] > other["margin"]
    named = EmpiricalGame.from_samples(
        {"a": ("x",), "b": ("y",)}, {(0, 0): np.random.default_rng(0).normal(size=(4, 2))}
    )
    assert seat_symmetry(named, confidence=0.95, rng=rng) is None
    averaged = seats_averaged(np.array(TWO_PLAYERS["battle_of_the_sexes"][:2]))
    assert (averaged[0] == averaged[1].T).all()
    assert averaged[0].tolist() == [[1.5, 0], [0, 1.5]]


def test_symmetric_seats_seem_different_as_rarely_as_promised() -> None:
    rejected = [
        not (seat_symmetry(played(STAG, 12, 2.0, seed), confidence=0.9, rng=np.random.default_rng(seed)) or {})["fits"]
        for seed in range(200)
    ]
    assert 0.05 <= np.mean(rejected) <= 0.17


def test_missing_profiles_leave_all_out_and_are_named() -> None:
    record = concepts(played(STAG, drop={(1, 0)}))
    assert record["missing"] == [[1, 0]]
    assert set(record["left_out"]) == {name for name, concept in CONCEPTS.items() if not concept.of_trees}
    assert (record["solution"], record["claims"], record["numbers"]) == (None, [], [])


def test_too_many_payoffs_to_draw_leave_the_means() -> None:
    record = concepts(played(STAG), draws=None)
    assert record["wanted"] == 0
    assert all(one["holds"] and one["probability"] is None for one in record["claims"])
    assert all(one["low"] is None for one in record["numbers"])


def test_too_little_time_gives_a_stated_part() -> None:
    game = played(np.random.default_rng(0).normal(size=(3, 5, 5, 5)), episodes=3)
    record = concepts(game, time_limit=6.0, draws=100)
    assert record["solution"]["pure"] is not None
    assert min(record["draws"].values()) < 100
    assert record["solution"]["complete"] in {None, "unknown"}


def test_three_players_have_no_answer_to_two_players_questions() -> None:
    record = concepts(played(np.asarray(volunteers_dilemma(3), dtype=float), noise=0.1), draws=4)
    assert set(record["solution"]["notes"]) == {"ess", "commitment"}
    assert not [one for one in record["claims"] if one["concept"] in {"ess", "commitment"}]
