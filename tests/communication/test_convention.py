from __future__ import annotations

from collections import Counter

import pytest

from marl.communication.convention import Convention, name_convention, pair_accuracy, pooled_groups
from marl.communication.information import mutual_information
from marl.errors import ParleyError
from marl.seeding import stream

FOUR = ["north", "east", "south", "west"]


def named(situations: list[str], signals: list[str]) -> Convention:
    p = mutual_information(situations, signals, rng=stream(0, "test"), permutations=999).p
    return name_convention(situations, signals, p=p, level=0.05)


def test_a_code_for_each_situation_separates() -> None:
    convention = named(FOUR * 10, ["a", "b", "c", "d"] * 10)
    assert (convention.name, convention.told_apart, len(convention.groups)) == ("separating", 4, 4)


def test_synonyms_still_separate() -> None:
    convention = named(FOUR * 10, ["a", "b", "c", "d"] * 5 + ["e", "f", "g", "h"] * 5)
    assert convention.name == "separating"


def test_a_noisy_code_separates_while_three_of_four_hear_it_right() -> None:
    rng = stream(0, "noise")
    situations = FOUR * 50
    for noise, name in ((0.2, "separating"), (0.9, "babbling")):
        signals = [str(rng.choice(FOUR)) if rng.random() < noise else s for s in situations]
        assert named(situations, signals).name == name


def test_one_situation_named_and_the_rest_pooled_is_partial_pooling() -> None:
    convention = named(FOUR * 10, ["stag", "hare", "hare", "hare"] * 10)
    assert convention.name == "partial pooling"
    assert convention.told_apart == 1
    assert convention.groups == (("north",), ("east", "south", "west"))


def test_two_pools_are_partial_pooling_although_no_situation_stands_alone() -> None:
    convention = named(FOUR * 10, ["a", "a", "b", "b"] * 10)
    assert (convention.name, convention.told_apart) == ("partial pooling", 0)
    assert convention.groups == (("east", "north"), ("south", "west"))


def test_one_word_for_everything_pools() -> None:
    assert named(FOUR * 10, ["hello"] * 40).name == "pooling"
    assert named(FOUR * 10, ["hello"] * 38 + ["ho", "hi"]).name == "pooling"


def test_two_hundred_different_messages_babble() -> None:
    situations = [FOUR[i] for i in stream(0, "s").integers(4, size=200)]
    convention = named(situations, [f"message {i}" for i in range(200)])
    assert (convention.name, convention.told_apart) == ("babbling", 0)


def test_random_words_babble() -> None:
    rng = stream(0, "words")
    babbling = sum(
        named([FOUR[i] for i in rng.integers(4, size=64)], [FOUR[i] for i in rng.integers(4, size=64)]).name
        == "babbling"
        for _ in range(40)
    )
    assert babbling >= 38


def test_insignificant_information_overrules_a_lucky_split() -> None:
    situations, signals = ["x", "x", "y", "y"], ["a", "a", "b", "b"]
    assert len(pooled_groups(situations, signals)) == 2
    assert name_convention(situations, signals, p=0.33, level=0.05).name == "babbling"


def test_silence_and_single_situations() -> None:
    assert name_convention(FOUR, [""] * 4, p=1.0, level=0.05).name == "silent"
    alone = name_convention(["s"] * 4, list("abcd"), p=1.0, level=0.05)
    assert (alone.name, alone.told_apart) == ("babbling", 0)
    assert name_convention(["s"] * 4, ["a"] * 4, p=1.0, level=0.05).name == "pooling"


def test_silence_can_be_a_word() -> None:
    assert named(["x", "y"] * 10, ["now", ""] * 10).name == "separating"


def test_pair_accuracy_closed_forms() -> None:
    assert pair_accuracy(Counter(a=5), Counter(b=5)) == 1.0
    assert pair_accuracy(Counter(a=5), Counter(a=5)) == 0.5
    assert pair_accuracy(Counter("abcd"), Counter("efgh")) == 0.5
    assert pair_accuracy(Counter(a=3, b=3), Counter(a=3, b=3)) <= 0.5
    assert pair_accuracy(Counter(a=8, b=2), Counter(a=2, b=8)) == pytest.approx(0.8)
    assert pair_accuracy(Counter("a"), Counter("b")) == 0.5  # one episode each shows nothing


def test_lengths_must_agree() -> None:
    with pytest.raises(ParleyError, match="1 situations and 2 signals"):
        name_convention(["s"], ["a", "b"], p=1.0, level=0.05)
