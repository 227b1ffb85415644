import copy
import re
from fractions import Fraction

import pytest
from known_trees import centipede, entry_deterrence, kuhn_poker, matching_pennies, selten_horse, spiel_tree, ultimatum
from solved_here import solved_here

from marl.games.phrases import number
from marl.games.solution_words import solution_sentences

QUOTED = re.compile("“[^”]*”")
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?(?!\w)")
CONCEPTS = ["sequence_form", "subgame_perfect", "regret", "security"]
TREES = {
    "kuhn": kuhn_poker,
    "pennies": matching_pennies,
    "entry": entry_deterrence,
    "centipede": centipede,
    "horse": selten_horse,
    "ultimatum": ultimatum,
}


@pytest.fixture(scope="module", params=sorted(TREES))
def record(request: pytest.FixtureRequest) -> dict:
    return solved_here(TREES[request.param](), CONCEPTS)


def recomputed(record: dict) -> dict[str, float]:
    """The numbers of the summary, from the record's other fields."""
    tree = record["tree"]
    value = {
        "nodes": tree["nodes"],
        "chance nodes": tree["chance_nodes"],
        "ends": tree["ends"],
        "players": len(record["players"]),
        "nash_conv": sum(record["uniform_regret"]),
    }
    for player, own, plans, level in zip(
        record["players"], tree["information_sets"], record["strategies"], record["security_levels"], strict=True
    ):
        value |= {f"{player} information sets": len(own), f"{player} strategies": len(plans)}
        value[f"{player} security"] = level
    value["profiles"] = 1
    for plans in record["strategies"]:
        value["profiles"] *= len(plans)
    if record["sequence_form"]:
        value["value"] = float(Fraction(record["sequence_form"]["payoffs"][0]))
    if record["subgame_perfect"]:
        found = record["subgame_perfect"]
        value["further decisions"] = sum(map(len, found["actions"])) - 3
        value["ties"] = len(found["ties"])
        for player, payoff in zip(record["players"], found["payoffs"], strict=True):
            value[f"{player} subgame perfect payoff"] = float(Fraction(payoff))
    return value


def test_every_number_is_what_the_record_says(record: dict) -> None:
    known = recomputed(record)
    for sentence in record["summary"]:
        for name, value in sentence["numbers"].items():
            assert value == pytest.approx(known[name], abs=1e-12), (name, sentence)
        said = {found.group() for found in NUMBER.finditer(QUOTED.sub("", sentence["text"]))}
        assert said <= {number(value) for value in sentence["numbers"].values()}, sentence


def test_sentences_come_from_the_fields_only(record: dict) -> None:
    assert solution_sentences(record) == record["summary"]
    changed = copy.deepcopy(record)
    changed["tree"]["nodes"] = 123456
    assert "123456" in solution_sentences(changed)[0]["text"]


def told(record: dict) -> str:
    return " ".join(sentence["text"] for sentence in record["summary"])


def test_what_is_said() -> None:
    text = told(solved_here(entry_deterrence(), ["subgame_perfect"]))
    assert "everyone always knows all that has happened" in text
    assert "entrant “in” at “entry” and incumbent “share” at “reply”; it pays 2 for entrant and 2 for incumbent" in text
    assert "No other equilibrium is subgame perfect." in text
    assert "At 1 information set another action is as good" in told(solved_here(ultimatum(), ["subgame_perfect"]))
    text = told(solved_here(kuhn_poker(), CONCEPTS))
    assert "with best play one gets -0.056 on average (the value of the game), which is proved exactly" in text
    assert text.count("the value of the game") == 1
    assert "uniformly at random at every information set" in text
    assert "No answer for “subgame_perfect”: “backward induction needs perfect information" in text


def test_a_tree_that_is_too_large_says_so_once() -> None:
    pyspiel = pytest.importorskip("pyspiel")
    record = solved_here(spiel_tree(pyspiel.load_game("leduc_poker")), ["sequence_form", "pure", "welfare", "ess"])
    text = told(record)
    assert "too many strategies (whole plans of play) to list" in text
    assert "No answer for “pure”, “welfare” and “ess”: “the reduced normal form has about" in text
    assert re.search(r"where neither gains more than \d\.\de-1\d by leaving", text)


def test_a_game_that_sums_to_nothing_has_prices() -> None:
    record = solved_here(kuhn_poker(), ["mixed", "prices"])
    assert (record["price_of_anarchy"], record["price_of_stability"]) == (1, 1)
    assert record["equilibrium_welfare"] == {"min": 0, "max": 0}
