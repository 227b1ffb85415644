import copy
import json
import re
from fractions import Fraction

import numpy as np
import pytest
from known_games import (
    MORRA,
    TWO_PLAYERS,
    cheap_talk_stag_hunt,
    public_goods,
    travelers_dilemma,
    volunteers_dilemma,
)
from solved_here import solved_here

from marl.games.normal_form import NormalFormGame
from marl.games.phrases import number
from marl.games.solution import solve
from marl.games.solution_words import solution_sentences

QUOTED = re.compile("“[^”]*”")
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?(%?)(?!\w)")

GAMES = {
    "stag hunt": NormalFormGame(TWO_PLAYERS["stag_hunt"][:2], ["row", "col 2"], [["stag", "hare 3"]] * 2),
    "cheap talk": NormalFormGame(cheap_talk_stag_hunt()),
    "volunteers": NormalFormGame(volunteers_dilemma(3)),
    "public goods": NormalFormGame(public_goods(3)),
    "morra": NormalFormGame([MORRA, -MORRA]),
    "travelers": NormalFormGame(travelers_dilemma(2, 6)),
    "hawk dove": NormalFormGame(TWO_PLAYERS["hawk_dove"][:2]),
    "coordination": NormalFormGame(TWO_PLAYERS["coordination_4"][:2]),
    "zero": NormalFormGame(np.zeros((3, 2, 2, 2))),
    "costs": NormalFormGame([[[-1, -6], [0, -4]], [[-1, 0], [-6, -4]]]),
    "signs": NormalFormGame([[[2, -3], [3, -1]], [[2, 3], [-3, -1]]]),
    "alone": NormalFormGame([[1, 3, 3]]),
}


@pytest.fixture(scope="module", params=sorted(GAMES))
def record(request: pytest.FixtureRequest) -> dict:
    return json.loads(json.dumps(solve(GAMES[request.param])))


def test_every_number_in_the_text_is_one_of_its_numbers(record: dict) -> None:
    for sentence in record["summary"]:
        said = NUMBER.finditer(QUOTED.sub("", sentence["text"]))
        known = {number(v) for v in sentence["numbers"].values()}
        shares = {f"{number(round(100 * v, 10))}%" for v in sentence["numbers"].values()}
        for found in said:
            assert found.group() in (shares if found.group(1) else known), sentence


def recomputed(record: dict) -> dict[str, float]:
    """The numbers of the summary, from the record's other fields."""
    value = {
        "players": len(record["players"]),
        "profiles": int(np.prod([len(own) for own in record["strategies"]])),
        "pure equilibria": len(record["pure"]),
        "further pure equilibria": len(record["pure"]) - 3,
        "equilibria": len(record["mixed"]),
        "exact equilibria": sum(one["exact"] for one in record["mixed"]),
        "mixing equilibria": sum(
            any(0 < Fraction(p) < 1 for own in one["profile"] for p in own) for one in record["mixed"]
        ),
        "largest regret": max(float(Fraction(one["regret"])) for one in record["mixed"]),
        "max_welfare": record["max_welfare"],
        "pareto": len(record["pareto"]),
        "nash_conv": sum(record["uniform_regret"]),
        "price of anarchy": record["price_of_anarchy"],
        "price of stability": record["price_of_stability"],
        "zero_sum_value": record["zero_sum_value"],
        "sinks": len(record["better_response_sinks"]),
        "alpha": record["alpha_rank"]["alpha"],
        "population": record["alpha_rank"]["population"],
        "alpha-rank mass": max(one["mass"] for one in record["alpha_rank"]["masses"]),
        "second methods": len(record["agreement"]),
        "rounds": len(record["dominance"]["strict"]["rounds"]),
        "remaining profiles": int(np.prod([len(own) for own in record["rationalizable"]])),
        "further dominated": sum(map(len, record["dominance"]["strict"]["rounds"])) - 3,
        "components": len(record["components"] or ()),
        "maximal Nash subsets": sum(len(one["maximal_nash_subsets"]) for one in record["components"] or ()),
        "ess": len(record["ess"] or ()),
        "tied profiles": sum(
            one["mass"] == pytest.approx(record["alpha_rank"]["masses"][0]["mass"])
            for one in record["alpha_rank"]["masses"][1:]
        ),
    }
    for one in record["stackelberg"] or ():
        value[f"{record['players'][one['leader']]} as leader"] = one["leader_payoff"]
    for k, payoff in enumerate((record["nash_bargaining"] or {}).get("payoffs", ())):
        value[f"{record['players'][k]} bargained"] = payoff
    welfare = [sum(float(Fraction(u)) for u in one["payoffs"]) for one in record["mixed"]]
    value |= {"worst equilibrium welfare": min(welfare), "best equilibrium welfare": max(welfare)}
    for field in ("correlated", "coarse_correlated"):
        held = record[field]
        value[f"{field} min"], value[f"{field} max"] = held["min_welfare"], held["max_welfare"]
        value[f"{field} least payoff"] = min(float(Fraction(u)) for u in held["fairest_equilibrium"]["payoffs"])
    for player, own, level in zip(record["players"], record["strategies"], record["security_levels"], strict=True):
        value[f"{player} strategies"], value[f"{player} security"] = len(own), level
    for size in {len(one) for one in record["better_response_sinks"]}:
        value[f"sink size {size}"] = size
    if record["payoff_dominant"]:
        for player, payoff in zip(record["players"], record["payoff_dominant"]["payoffs"], strict=True):
            value[f"{player} payoff"] = float(Fraction(payoff))
    for k, mixture in enumerate(record["ess"] or (), start=1):
        for strategy, weight in zip(record["strategies"][0], mixture, strict=True):
            value[f"ess {k} {strategy}"] = float(Fraction(weight))
    return value


def test_every_number_is_what_the_record_says(record: dict) -> None:
    known = recomputed(record)
    products = [tuple(one["products"]) for one in record["risk_dominance"] or ()]
    for sentence in record["summary"]:
        numbers = sentence["numbers"]
        if "product 1" in numbers:
            assert (numbers["product 1"], numbers["product 2"]) in products
            continue
        for name, value in numbers.items():
            assert value == pytest.approx(known[name], abs=1e-12), (name, sentence)


def test_sentences_come_from_the_fields_only(record: dict) -> None:
    assert solution_sentences(record) == record["summary"]
    changed = copy.deepcopy(record)
    changed["max_welfare"] = 123456
    assert "123456" in " ".join(one["text"] for one in solution_sentences(changed))


def test_what_was_not_asked_for_is_not_spoken_of() -> None:
    record = solve(GAMES["stag hunt"], ["pure"])
    assert len(record["summary"]) == 2
    assert "In pure strategies (no chance involved) there are 2" in record["summary"][1]["text"]


def test_unknowns_and_differences_are_said() -> None:
    record = solve(GAMES["zero"])
    texts = " ".join(one["text"] for one in record["summary"])
    assert "whether there are more is unknown" in texts
    assert "No answer for “ess”" in texts
    record["agreement"][0]["agree"] = False
    assert "differs for" in " ".join(one["text"] for one in solution_sentences(record))


def said(payoffs: object, *concepts: str) -> str:
    return " ".join(one["text"] for one in solution_sentences(solved_here(NormalFormGame(payoffs), concepts)))


def test_of_profiles_that_tie_none_is_the_first() -> None:
    assert "as much of the long run is spent at" in said(np.zeros((2, 2, 2)), "alpha_rank")
    assert "as at 3 others, and less at the rest: a share of 0.25" in said(np.zeros((2, 2, 2)), "alpha_rank")
    assert "more of the long run is spent at" in said([[[2, 0], [0, 1]]] * 2, "alpha_rank")


def test_a_single_player_may_mix_what_is_equally_good() -> None:
    assert "(0 with chance, 2 exact); every other equilibrium is a mixture of listed ones" in said([[1, 3, 3]], "mixed")
    assert "1 equilibrium is listed (0 with chance, 1 exact); the list is complete" in said([[1, 2, 3]], "mixed")
    assert "the list is complete" in said([[[1], [0]], [[0], [0]]], "mixed")


def test_dominance_is_sure_of_the_equilibria_that_were_found_only() -> None:
    record = solved_here(NormalFormGame([[[2, 0], [0, 1]]] * 2), ["mixed", "selection"])
    for complete, text in (("yes", "no other pays any"), ("unknown", "no other that was found pays any")):
        assert text in " ".join(one["text"] for one in solution_sentences(record | {"complete": complete}))


def test_singular_and_plural() -> None:
    dilemma = [[[3, 0], [5, 1]], [[3, 5], [0, 1]]]
    assert "1 of the profiles remains." in said(dilemma, "dominance")
    assert "1 strategy is evolutionarily stable (a population that plays it keeps" in said(dilemma, "ess")
    assert "No strategy is evolutionarily stable (a population that plays it keeps" in said(np.zeros((2, 2, 2)), "ess")
    assert "2 strategies are evolutionarily stable (a population that plays one of them" in said(
        [[[2, 0], [0, 1]]] * 2, "ess"
    )


def test_a_welfare_that_cannot_vary_is_no_interval() -> None:
    assert "welfare is 2; the fairest" in said([[[3, 0], [5, 1]], [[3, 5], [0, 1]]], "correlated")
    assert "welfare lies between" in said([[[2, 0], [0, 1]]] * 2, "correlated")


def test_nothing_is_a_multiple_of_zero() -> None:
    text = said([[[1, 0], [0, 0]]] * 2, "prices")
    assert "than the worst one) is undefined, as a ratio needs both positive or both negative" in text
