from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tabular import Tabular

from marl.games.phrases import number
from marl.psro.loop import grow
from marl.psro.record import Record
from marl.psro.words import described, sentences
from marl.scenario import load_scenario
from marl.settings import PSROSettings

PENNIES = np.array([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]])


def record_of(make_record: Callable[..., Record], *overrides: str, oracle: Any = None) -> dict[str, Any]:
    oracle = oracle or Tabular(PENNIES)
    record = make_record(list(oracle.populations))
    scenario = load_scenario("rock_paper_scissors", ["psro.episodes=300", *overrides])
    rows = grow(oracle, record, scenario.psro, confidence=0.95, seed=0)
    return described(rows, record, oracle.populations, scenario)


def said(found: dict[str, Any]) -> str:
    return " ".join(sentence["text"] for sentence in found["summary"])


def test_every_number_in_the_text_is_one_of_the_records(make_record: Callable[..., Record]) -> None:
    found = record_of(make_record)
    for sentence in found["summary"]:
        known = {number(value) for value in sentence["numbers"].values()}
        known |= {f"{number(round(100 * value, 10))}%" for value in sentence["numbers"].values()}
        # Names are identifiers here, whose digits follow an underscore.
        for token in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?%?", sentence["text"]):
            assert token in known, (token, sentence)


def test_the_end_by_the_bound_is_told_from_the_end_by_the_limit(make_record: Callable[..., Record]) -> None:
    found = record_of(make_record)
    assert found["bounded"]
    assert found["reason"].startswith("confidence bound")
    assert "ended by its confidence bound" in said(found)
    assert "went from 2 before any best response to 0" in said(found)
    assert found["solution"]["payoffs"]["player_0"] == pytest.approx(0)
    assert found["members"] == {"player_0": 4, "player_1": 4}
    for shares in found["solution"]["marginals"].values():
        assert sum(shares) == pytest.approx(1)


def test_a_bound_that_is_wider_than_the_gains_says_why(make_record: Callable[..., Record]) -> None:
    """Payoffs never vary here, so that the gains have no width, and what no episode showed is all that is unknown."""
    found = record_of(make_record)
    assert found["gains"]["sum"]["high"] < found["gains"]["epsilon"]
    bound = number(found["gains"]["epsilon"])
    assert f"The bound on a gain, {bound}, is wider: so much may outcomes be worth that no episode showed." in said(
        found
    )
    found["gains"]["sum"]["high"] = 1.0
    assert "is wider" not in " ".join(sentence["text"] for sentence in sentences(found))


def test_a_run_cut_by_its_limit(make_record: Callable[..., Record]) -> None:
    found = record_of(make_record, "psro.iterations=1")
    assert not found["bounded"]
    assert "because all of its 1 iteration were done" in said(found) or "all of its 1 iteration" in said(found)
    assert "lower bound on its NashConv" in said(found)
    assert found["gains"]["sum"]["mean"] == pytest.approx(2.0)
    assert found["history"][1]["gains"] is None


def test_what_is_unknown_and_what_is_joint_is_said(make_record: Callable[..., Record]) -> None:
    oracle = Tabular(np.array([np.eye(2), np.eye(2)]))  # two conventions, between which alpha-rank splits its masses
    oracle.exact = lambda meta: {}  # type: ignore[method-assign]
    settings = PSROSettings(meta_solver="alpha_rank", iterations=2, episodes=2)
    oracle.pure = {name: [0, 1] for name in oracle.pure}
    record = make_record(list(oracle.populations))
    rows = grow(oracle, record, settings, confidence=0.95, seed=0)
    scenario = load_scenario("rock_paper_scissors", ["psro.meta_solver=alpha_rank", "psro.iterations=2"])
    text = said(described(rows, record, oracle.populations, scenario))
    assert "The exact NashConv is unknown" in text
    assert "drawn jointly" in text
