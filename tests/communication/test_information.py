from __future__ import annotations

from collections import Counter
from math import log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import contingency, entropy

from marl.communication.information import mutual_information
from marl.errors import ParleyError
from marl.seeding import stream


def textbook(rows: list[int], columns: list[int]) -> float:
    n, row, column = len(rows), Counter(rows), Counter(columns)
    return sum(
        count / n * log2(count * n / (row[i] * column[j]))
        for (i, j), count in Counter(zip(rows, columns, strict=True)).items()
    )


@pytest.mark.parametrize("n", [2, 4, 7])
def test_a_perfect_code_carries_log2_n_bits(n: int) -> None:
    situations = list(range(n)) * 16
    found = mutual_information(situations, [f"word {s}" for s in situations], rng=stream(0))
    assert found.bits == pytest.approx(log2(n))
    assert found.max_bits == pytest.approx(log2(n))
    assert found.p == pytest.approx(1e-4)
    assert found.null_mean < found.null_high < found.bits


def test_two_hundred_different_messages_measure_two_bits_and_mean_nothing() -> None:
    situations = stream(0, "situations").integers(4, size=200).tolist()
    found = mutual_information(situations, [f"message {i}" for i in range(200)], rng=stream(0))
    assert found.bits == pytest.approx(found.max_bits)
    assert found.bits > 1.9
    assert found.null_mean == pytest.approx(found.bits)
    assert found.p == 1.0


def test_constant_messages_and_constant_situations_carry_nothing() -> None:
    for situations, messages in (([1, 2] * 8, ["a"] * 16), (["s"] * 16, ["a", "b"] * 8)):
        found = mutual_information(situations, messages, rng=stream(0), permutations=99)
        assert (found.bits, found.p) == (0.0, 1.0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=40))
def test_bits_agree_with_the_definition(pairs: list[tuple[int, int]]) -> None:
    rows, columns = [a for a, _ in pairs], [b for _, b in pairs]
    found = mutual_information(rows, columns, rng=stream(0), permutations=19)
    assert found.bits == pytest.approx(max(0.0, textbook(rows, columns)), abs=1e-9)
    assert found.bits <= found.max_bits + 1e-9
    assert 1 / 20 <= found.p <= 1


def test_bits_agree_with_scipy() -> None:
    rows, columns = stream(0, "r").integers(4, size=150), stream(0, "c").integers(9, size=150)
    table = contingency.crosstab(rows, columns).count
    joint, a, b = (entropy(t.ravel(), base=2) for t in (table, table.sum(0), table.sum(1)))
    found = mutual_information(rows.tolist(), columns.tolist(), rng=stream(0), permutations=9)
    assert found.bits == pytest.approx(a + b - joint)


def test_null_agrees_with_a_plain_loop_over_permutations() -> None:
    rng = stream(0, "loop")
    rows, columns = rng.integers(3, size=40).tolist(), rng.integers(12, size=40).tolist()
    plain = [textbook(rows, rng.permutation(columns).tolist()) for _ in range(2000)]
    found = mutual_information(rows, columns, rng=stream(0))
    assert found.null_mean == pytest.approx(np.mean(plain), abs=0.01)
    assert found.null_high == pytest.approx(np.quantile(plain, 0.95), abs=0.02)


def test_independent_messages_are_significant_at_the_nominal_rate() -> None:
    rng = stream(0, "null")
    significant = sum(
        mutual_information(
            rng.integers(4, size=60).tolist(), rng.integers(20, size=60).tolist(), rng=rng, permutations=199
        ).p
        <= 0.1
        for _ in range(200)
    )
    assert 7 <= significant <= 35


def test_batches_do_not_change_the_test() -> None:
    situations, messages = [0, 1] * 300, list(range(300)) * 2
    long = mutual_information(situations, messages, rng=stream(0), permutations=4000)
    assert 0 < long.p <= 1
    assert long.to_json().keys() == {"bits", "null_mean", "null_high", "p", "max_bits"}


def test_sequences_that_do_not_pair_up_are_refused() -> None:
    with pytest.raises(ParleyError, match="2 situations and 1 messages"):
        mutual_information([1, 2], ["a"], rng=stream(0))
    with pytest.raises(ParleyError, match="0 situations"):
        mutual_information([], [], rng=stream(0))
