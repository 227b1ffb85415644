from fractions import Fraction

import pytest
from known_trees import (
    centipede,
    entry_deterrence,
    kuhn_poker,
    matching_pennies,
    random_tree,
    selten_horse,
    spiel_tree,
    ultimatum,
)
from solved_here import solved_here

from marl.games.concepts import CONCEPTS
from marl.games.extensive.behavior import nash_conv
from marl.games.normal_form import NormalFormGame
from marl.games.solution import solve
from marl.games.tree_concepts import TREE_CONCEPTS, tree_fields

QUICK = ["sequence_form", "subgame_perfect", "regret", "security"]


def test_kuhn_poker() -> None:
    record = solved_here(kuhn_poker(), [*QUICK, "pure"])
    assert record["sequence_form"]["payoffs"] == ["-1/18", "1/18"]
    assert (record["sequence_form"]["exact"], record["sequence_form"]["regret"]) == (True, "0")
    profile = [[[Fraction(p) for p in row] for row in own] for own in record["sequence_form"]["profile"]]
    assert nash_conv(kuhn_poker(), profile) == 0
    assert record["zero_sum_value"] == pytest.approx(-1 / 18, abs=1e-15)
    assert record["nash_conv"] == pytest.approx(11 / 12, abs=1e-15)
    assert (record["pure"], record["subgame_perfect"]) == ([], None)
    assert set(record["notes"]) == {"subgame_perfect"}
    assert [len(own) for own in record["strategies"]] == [27, 64]
    assert record["tree"]["nodes"] == 55


def test_a_tree_with_perfect_information() -> None:
    record = solve(entry_deterrence())
    assert record == {**solved_here(entry_deterrence()), "time_limit": 60.0}
    assert record["subgame_perfect"] == {
        "actions": [[1], [1]], "payoffs": ["2", "2"], "unique": True, "ties": [], "method": "backward induction",
    }  # fmt: skip
    assert record["pure"] == [[0, 0], [1, 1]]
    assert record["complete"] == "yes"
    assert set(record["notes"]) == {"sequence_form", "ess"}
    assert solved_here(ultimatum(), ["subgame_perfect"])["subgame_perfect"]["ties"] == [[1, 0]]


def test_every_concept_of_seltens_horse() -> None:
    record = solved_here(selten_horse())
    assert set(record) >= {field for concept in CONCEPTS.values() for field in concept.fields}
    assert {(0, 0, 1), (1, 0, 0)} == {tuple(profile) for profile in record["pure"]}
    assert set(record["notes"]) == {"sequence_form", "subgame_perfect", "ess", "commitment"}


def test_a_large_tree_is_answered_without_its_normal_form() -> None:
    pyspiel = pytest.importorskip("pyspiel")
    record = solved_here(spiel_tree(pyspiel.load_game("leduc_poker")))
    assert record["zero_sum_value"] == pytest.approx(-0.085606424078, abs=1e-9)
    assert record["nash_conv"] == pytest.approx(4.747222222222222, abs=1e-9)
    assert (record["strategies"], record["pure"]) == (None, None)
    assert "about 10^132 profiles" in record["notes"]["pure"]
    assert set(record["notes"]) == {"subgame_perfect", *CONCEPTS} - {"sequence_form", "security", "regret"}


def test_games_in_normal_form_are_not_asked_for_trees() -> None:
    game = NormalFormGame([[[1, 0]], [[0, 1]]])
    assert not set(solved_here(game)) & {"sequence_form", "subgame_perfect", "tree"}
    record = solved_here(game, ["sequence_form"])
    assert record["sequence_form"] is None
    assert "needs a game tree" in record["notes"]["sequence_form"]
    assert all(concept.of_trees for concept in TREE_CONCEPTS.values())


@pytest.mark.parametrize("seed", range(3))
def test_the_value_is_the_same_with_and_without_the_normal_form(seed: int) -> None:
    tree = random_tree(seed, zero_sum=True)
    record = solved_here(tree, ["security", "correlated"])
    assert record["zero_sum_value"] == pytest.approx(
        float(Fraction(record["correlated"]["fairest_equilibrium"]["payoffs"][0])), abs=1e-6
    )


def test_the_names_of_sets_are_listed() -> None:
    fields = tree_fields(matching_pennies())
    assert fields["tree"]["information_sets"][1] == [{"name": "hidden", "actions": ["heads", "tails"], "nodes": 2}]
    assert (fields["tree"]["ends"], fields["tree"]["chance_nodes"]) == (4, 0)
    assert tree_fields(centipede())["tree"]["perfect_information"] is True
