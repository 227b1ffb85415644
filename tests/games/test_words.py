import copy
import json
import re
from collections.abc import Iterator
from math import prod
from typing import Any
from unittest import mock

import numpy as np
import pytest
from known_games import volunteers_dilemma

from marl.games import EmpiricalGame, analyze
from marl.games.phrases import number
from marl.games.words import sentences

QUOTED = re.compile("“[^”]*”")
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?(%?)(?!\w)")


def make(
    payoffs: Any, names: list[str], learned: tuple[int, ...], noise: float, drop: Any = None, concepts: bool = False
) -> dict[str, Any]:
    tensor = np.asarray(payoffs, dtype=float)
    players = ["scout_0", "partner_0", "agent 3"][: len(tensor)]
    rng = np.random.default_rng(0)
    played = {
        p: tensor[(slice(None), *p)] + noise * rng.normal(size=(40, len(tensor))) for p in np.ndindex(tensor.shape[1:])
    }
    if drop is not None:
        del played[drop]
    game = EmpiricalGame.from_samples(dict.fromkeys(players, names), played)
    with mock.patch("marl.games.estimate.SOLVED", 16):
        seconds = 120.0 if concepts else None
        made = analyze(game, learned, confidence=0.975, rng=np.random.default_rng(0), concept_time=seconds)
    return json.loads(json.dumps(made))


STAG = [[[9, 0], [8, 7]], [[9, 8], [0, 7]]]
PENNIES = [[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]]
SIGNS = [[[2, -3], [3, -1]], [[2, 3], [-3, -1]]]
COSTS = [[[-1, -6], [0, -4]], [[-1, 0], [-6, -4]]]
CASES = {
    "at an equilibrium": make(STAG, ["trained", "hare 2"], (0, 0), 0.5),
    "off an equilibrium": make(STAG, ["trained", "hare 2"], (0, 1), 0.5, concepts=True),
    "much noise": make(STAG, ["trained", "hare 2"], (1, 1), 20.0, concepts=True),
    "tiny payoffs": make(np.array(STAG) / 1000, ["trained", "hare 2"], (0, 0), 0.0001),
    "a cycle": make(PENNIES, ["heads", "tails"], (0, 0), 0.2),
    "no noise": make(PENNIES, ["heads", "tails"], (0, 0), 0.0),
    "costs": make(COSTS, ["silent", "talks"], (1, 1), 0.0, concepts=True),
    "mixed signs": make(SIGNS, ["silent", "talks"], (1, 1), 0.3, concepts=True),
    "all equal": make(np.zeros((2, 3, 3)), ["a", "b", "c"], (2, 2), 0.0),
    "one missing": make(STAG, ["trained", "hare 2"], (0, 0), 0.5, drop=(1, 0), concepts=True),
    "a continuum": make(np.ones((3, 2, 2, 2)), ["trained", "hare 2"], (0, 0, 0), 0.0),
    "three players": make(volunteers_dilemma(3), ["help", "wait"], (0, 1, 1), 0.1, concepts=True),
    "alone": make([[1, 1]], ["left", "right"], (0,), 0.0),
    "no choice": make([[[1]], [[2]]], ["stay"], (0, 0), 0.0),
}
every_case = pytest.mark.parametrize("case", sorted(CASES))


def recomputed(a: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Every number that a summary may name, computed anew from the other fields."""
    game, learned = a["game"], a["learned"]
    counts = [n for n in np.ravel(game["n"]) if n]
    yield "players", len(game["players"])
    yield "profiles", np.size(game["n"])
    yield "fewest episodes", min(counts)
    yield "most episodes", max(counts)
    errors = np.array(game["standard_error"], dtype=float)
    yield "constant profiles", int((errors == 0).all(axis=0).sum())
    yield "missing profiles", int((np.array(game["n"]) == 0).sum())
    yield "confidence", a["confidence"]
    place = tuple(learned["profile"])
    for i, player in enumerate(game["players"]):
        yield f"{player} strategies", np.shape(game["n"])[i]
        yield f"{player} payoff", np.array(game["mean"][i], dtype=float)[place]
        yield f"{player} standard error", np.array(game["standard_error"][i], dtype=float)[place]
        means = np.moveaxis(np.array(game["mean"][i], dtype=float), i, -1)[tuple(np.delete(place, i))]
        yield f"{player} regret", np.nanmax(means) - means[place[i]]
        yield f"{player} regret low", learned["regret"][player]["low"]
        yield f"{player} regret high", learned["regret"][player]["high"]
        yield f"{player} payoff low", np.array(game["low"][i], dtype=float)[place]
        yield f"{player} payoff high", np.array(game["high"][i], dtype=float)[place]
        for k, profile in enumerate(a["pure"], start=1):
            yield f"pure {k} {player} payoff", np.array(game["mean"][i], dtype=float)[tuple(profile)]
    for end, name in (("low", "nash_conv low"), ("high", "nash_conv high"), ("mean", "nash_conv")):
        yield name, sum(own[end] for own in learned["regret"].values())
    yield "epsilon", max(own["high"] for own in learned["regret"].values())
    yield "pure equilibria", len(a["pure"])
    yield "mixed equilibria", len(a["mixed"])
    yield "further pure equilibria", len(a["pure"]) - 3
    yield "largest epsilon", max([*a["pure_epsilon"], *(one["epsilon"] for one in a["mixed"])], default=0)
    total = np.sum(np.array(game["mean"], dtype=float), axis=0)
    welfare = [total[tuple(p)] for p in a["pure"]] + [sum(one["payoffs"]) for one in a["mixed"]]
    optimum = np.nanmax(total)
    yield "optimum welfare", optimum
    yield "learned welfare", total[place]
    if welfare:
        worst, best = min(welfare), max(welfare)
        yield "worst equilibrium welfare", worst
        yield "best equilibrium welfare", best
        if a["price_of_anarchy"] is not None:
            yield "price of anarchy", 1 if optimum == worst else worst / optimum if optimum < 0 else optimum / worst
        if a["price_of_stability"] is not None:
            yield "price of stability", 1 if optimum == best else best / optimum if optimum < 0 else optimum / best
    chances = [*a["pure_support_probability"], *(one["support_probability"] for one in a["mixed"])]
    for k, chance in enumerate((c for c in chances if c is not None), start=1):
        yield f"support probability {k}", chance
    yield "mean payoffs", np.isfinite(np.array(game["mean"], dtype=float)).sum()
    yield "widest margin", np.nanmax(np.array(game["high"], dtype=float) - np.array(game["mean"], dtype=float))
    plan = a["refinement"]
    spread = np.nanmax(np.array(game["mean"], dtype=float)) - np.nanmin(np.array(game["mean"], dtype=float))
    yield "tolerance", 0.05 * max(spread, np.nanmax(errors))
    yield "questions", plan["questions"]
    yield "undecided", plan["undecided"]
    yield "more episodes", sum(one["more"] for one in plan["profiles"])
    yield "profiles to play", len(plan["profiles"])
    yield "most more episodes", max((one["more"] for one in plan["profiles"]), default=0)
    yield "sinks", len(a["sinks"])
    for sink in a["sinks"]:
        yield f"sink size {len(sink)}", len(sink)


def of_concepts(a: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Every number that the sentences about concepts may name, from the other fields."""
    record = a["concepts"]
    yield "drawn games", record["wanted"]
    yield "drawn confidence", a["confidence"]
    yield "further missing profiles", len(a["missing"]) - 3
    claims = [one["claim"] for one in record["claims"] if one["holds"]]
    for name, claim in {
        "further dominated": "dominated", "further efficient": "pareto_efficient",
        "further stable": "evolutionarily_stable", "further sinks": "better_response_sink",
    }.items():  # fmt: skip
        yield name, claims.count(claim) - 3
    for one in [*record["claims"], *record["numbers"]]:
        whose = [
            str(value).replace(" ", "")
            for key, value in one.items()
            if key not in {"concept", "claim", "number", "holds", "probability", "estimate", "low", "high", "defined"}
        ]
        called = " ".join([one["concept"], one.get("claim", one.get("number")), *whose])
        if "claim" in one:
            yield f"{called} probability", one["probability"]
        else:
            yield called, one["estimate"]
            yield f"{called} low", one["low"]
            yield f"{called} high", one["high"]
            yield f"{called} undefined", 1 - one["defined"]
    for concept, count in record["draws"].items():
        yield f"{concept} draws", count
    solution = record["solution"]
    if solution is not None:
        yield "rationalizable profiles", prod(map(len, solution["rationalizable"]))
        yield "alpha", solution["alpha_rank"]["alpha"]
        yield "population", solution["alpha_rank"]["population"]
    if record["symmetry"] is not None:
        yield "largest gap", record["symmetry"]["largest_gap"]
        yield "gap allowed", record["symmetry"]["margin"]


@every_case
def test_every_number_in_a_text_is_one_of_its_numbers(case: str) -> None:
    for sentence in CASES[case]["summary"]:
        shown = NUMBER.finditer(QUOTED.sub("", sentence["text"]))
        for match in shown:
            text = match.group().removesuffix("%")
            digits = len(text.partition(".")[2])
            scale = 100 if match.group(1) else 1
            values = [scale * value for value in sentence["numbers"].values()]
            assert any(abs(value - float(text)) <= 0.5001 * 10**-digits for value in values), (text, sentence)


@every_case
def test_every_number_stands_in_its_text(case: str) -> None:
    for sentence in CASES[case]["summary"]:
        plain = QUOTED.sub("", sentence["text"])
        for value in sentence["numbers"].values():
            assert re.search(rf"(?<![\w.]){re.escape(number(value))}(?![\w%])", plain) or (
                f"{number(round(100 * value, 10))}%" in plain
            ), (value, sentence)


@every_case
def test_every_number_can_be_recomputed_from_the_other_fields(case: str) -> None:
    expected = dict(recomputed(CASES[case]))
    if "concepts" in CASES[case]:
        expected |= dict(of_concepts(CASES[case]))
    for sentence in CASES[case]["summary"]:
        for name, value in sentence["numbers"].items():
            assert value == pytest.approx(expected[name], rel=1e-9, abs=1e-9), name


@every_case
def test_sentences_come_from_the_fields_only(case: str) -> None:
    bare = {key: value for key, value in CASES[case].items() if key != "summary"}
    assert sentences(bare) == CASES[case]["summary"]


def test_another_number_in_a_field_is_another_sentence() -> None:
    changed = copy.deepcopy(CASES["at an equilibrium"])
    changed["learned"]["regret"]["scout_0"].update(mean=1.25, low=0.75, high=1.5, best_response="hare 2")
    text = " ".join(sentence["text"] for sentence in sentences(changed))
    assert "1.25 (0.75 to 1.50) for scout_0" in text
    gain = "scout_0 gains at least 0.75 by switching alone (most, it seems, to “hare 2”)"
    assert f"is not an equilibrium of this game: {gain}" in text


def told(case: str) -> str:
    return " ".join(sentence["text"] for sentence in CASES[case]["summary"])


def test_verdicts() -> None:
    assert "No player gains by switching alone: no interval reaches above zero" in told("at an equilibrium")
    assert "The learned profile is one of the pure equilibria" in told("at an equilibrium")
    assert "is not an equilibrium of this game" in told("off an equilibrium")
    assert "No player gains by switching alone, within the noise" in told("much noise")
    assert "not an equilibrium of this game: partner_0 gains at least 1." in told("a cycle")
    assert "In 4 profiles no payoff ever varied" in told("no noise")
    assert "ever varied" not in told("a cycle")


def test_what_is_unknown_is_said() -> None:
    assert "1 profile was never played" in told("one missing")
    assert "gained by scout_0 by switching to “hare 2”" in told("one missing")
    assert "No player gains by any switch alone that was played" in told("one missing")
    assert "is not proved to be one of the pure equilibria" in told("one missing")
    assert "is unknown while profiles are missing" in told("one missing")
    assert "whether there are others is unknown" in told("one missing")
    assert "there are no others" in told("three players")
    assert "whether there are others is unknown" in told("a continuum")
    assert "is at least" in told("a continuum")
    assert "there are no others" in told("at an equilibrium")


CONCEPT_TERMS = {
    "strictly dominated": "if a mixture of the player's others always pays more",
    "Pareto efficient": "(no other profile pays someone more and nobody less)",
    "Alpha-rank": "(populations, one a player, in which rare mutants take over by what they earn",
}


def test_terms_are_explained_where_they_first_appear() -> None:
    for case in CASES:
        text = told(case)
        for term, meaning in {
            "profile": "(a profile is one strategy for each player)",
            "regret": "is what it could gain by switching alone",
            "Nash equilibrium": "is a profile in which no player gains",
            "Welfare": "is the sum of the players' payoffs",
            "sink": "(a set of profiles that best responses never leave)",
            **(CONCEPT_TERMS if CASES[case].get("concepts", {}).get("solution") else {}),
        }.items():
            assert 0 <= text.index(meaning) - text.index(term) < 60, (case, term)


def test_concepts_are_told_with_what_the_noise_leaves_open() -> None:
    text = told("off an equilibrium")
    hare, trained = (f"(scout_0 “{name}”, partner_0 “{name}”)" for name in ("hare 2", "trained"))
    assert f"{trained} is payoff dominant (100%)" in text
    assert f"{hare} risk dominates {trained} (100%)" in text
    assert "here none is (100%), so that every strategy is rationalizable" in text
    assert (
        "evolutionarily stable (a population that plays it keeps out every small group of mutants) is “trained”" in text
    )
    noisy = CASES["much noise"]["concepts"]
    assert any(0 < one["probability"] < 1 for one in noisy["claims"]), "noise leaves something open"
    assert "elsewhere, among others" in told("much noise")
    assert "(100%)" not in told("costs"), "without noise there is nothing to draw"
    assert f"what is left, all that is rationalizable, is {_play('talks', 'talks')}" in told("costs")
    assert "No answer for “commitment”" in told("three players")
    missing = f"nothing is known of {_play('hare 2', 'trained')}."
    assert missing in told("one missing")
    assert "Left out are concepts that need the payoffs of all profiles (“pure”, “welfare”" in told("one missing")


def _play(*names: str) -> str:
    return "(scout_0 “{}”, partner_0 “{}”)".format(*names)


def test_prices_follow_the_signs() -> None:
    assert "the worst one's loss divided by the optimum's) is 4" in told("costs")
    assert "is undefined, because a ratio needs both" in told("mixed signs")
    assert "so is the price of stability" in told("mixed signs")
    assert "mixtures of those that share a strategy are equilibria too" in told("all equal")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (3, "3"), (2.0, "2"), (-0.0, "0"), (1.005, "1.00"), (9.876, "9.88"), (-0.25, "-0.25"), (0.0123, "0.012"),
     (0.00004567, "0.000046"), (1234.5, "1234.50")],
)  # fmt: skip
def test_numbers_for_reading(value: float, shown: str) -> None:
    assert number(value) == shown


def test_one_player_and_one_strategy_are_spoken_of_as_such() -> None:
    alone, fixed = (" ".join(one["text"] for one in CASES[case]["summary"]) for case in ("alone", "no choice"))
    assert "The game has 1 player, scout_0, with 2 strategies, which" in alone
    assert "mixtures of those that share a strategy are equilibria too" in alone
    assert "The game has 2 players, scout_0 and partner_0, with 1 strategy each, which" in fixed
