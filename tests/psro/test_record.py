from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from marl.errors import StoreError
from marl.games.meta_solver import MetaStrategy
from marl.psro.record import Record

MakeRecord = Callable[..., Record]
AGENTS = ["row", "column"]


def test_samples_come_back_and_make_a_paired_game(make_record: MakeRecord) -> None:
    record = make_record(AGENTS)
    record.keep_samples((0, 0), {0: [1.0, 2.0], 2: [3.0, 4.0]})
    record.keep_samples((1, 0), {0: [2.0, 2.0], 1: [0.0, 0.0], 2: [4.0, 4.0]})
    again = make_record(AGENTS)
    assert again.samples == record.samples
    game = again.game([2, 1])
    assert game.strategies == (("member 0", "member 1"), ("member 0",))
    # Episodes 0 and 2 have one seed in both profiles, so that their errors are taken off each other.
    errors = {0: -(1 - 2) / 2**0.5, 2: -(3 - 2) / 2**0.5}  # of each episode in the mean of two, over its size
    for episode, value in ((0, 2), (1, 0), (2, 4)):
        errors[episode] = errors.get(episode, 0.0) + (value - 2) / 6**0.5
    _, covariance = game.estimate({(0, 0): np.array([[-1.0, 0.0]]), (1, 0): np.array([[1.0, 0.0]])})
    assert covariance[0, 0] == pytest.approx(sum(error**2 for error in errors.values()))
    assert again.game([1, 1]).shape == (1, 1)
    assert again.game([2, 2]).missing == [(0, 1), (1, 1)]


def test_a_broken_line_in_the_middle_is_named(make_record: MakeRecord) -> None:
    record = make_record(AGENTS)
    record.keep_samples((0, 0), {0: [1.0, 2.0]})
    file = record.store.path / "payoffs.jsonl"
    file.write_text("what?\n" + file.read_text())
    with pytest.raises(StoreError, match="line 1 is no payoff sample"):
        make_record(AGENTS)


def test_a_meta_strategy_as_plain_data(make_record: MakeRecord) -> None:
    record = make_record(AGENTS)
    record.keep_meta(3, MetaStrategy(np.array([[0.5, 0.0], [0.0, 0.5]]), "made by hand"))
    kept = record.store.read_json("meta_strategies/003.json")
    assert kept["marginals"] == {"row": [0.5, 0.5], "column": [0.5, 0.5]}
    assert kept["played"] == [{"members": [0, 0], "probability": 0.5}, {"members": [1, 1], "probability": 0.5}]
