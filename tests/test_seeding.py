from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl.errors import ScenarioError
from marl.seeding import seed_of, stream

paths = st.lists(st.one_of(st.text(max_size=8), st.integers(0, 10**6)), max_size=4)


@given(st.integers(0, 2**40), paths)
def test_a_stream_is_a_function_of_its_address(root: int, path: list[str | int]) -> None:
    assert np.array_equal(stream(root, *path).random(4), stream(root, *path).random(4))


@given(st.integers(0, 2**40), paths, paths)
def test_different_addresses_give_different_streams(root: int, one: list[str | int], other: list[str | int]) -> None:
    if [(type(p), p) for p in one] != [(type(p), p) for p in other]:
        assert stream(root, *one).random() != stream(root, *other).random()


def test_a_number_and_its_text_are_different_names() -> None:
    assert stream(0, 1).random() != stream(0, "1").random()


def test_seed_of_fits_in_31_bits() -> None:
    seeds = [seed_of(3, "env", index) for index in range(1000)]
    assert min(seeds) >= 0
    assert max(seeds) < 2**31
    assert len(set(seeds)) == 1000


def test_negative_root_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"-1 is negative.*>= 0"):
        stream(-1)


@given(st.integers(0, 2**70), paths)
def test_a_stream_is_that_of_numpys_seed_sequence_over_the_root_and_the_hashed_names(
    root: int, path: list[str | int]
) -> None:
    hashed = [hashlib.sha256(f"{type(part).__name__}:{part}".encode()).digest()[:8] for part in path]
    sequence = np.random.SeedSequence([root, *(int.from_bytes(each, "little") for each in hashed)])
    assert np.array_equal(stream(root, *path).random(4), np.random.default_rng(sequence).random(4))
