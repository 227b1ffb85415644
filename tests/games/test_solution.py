import json

import numpy as np
import pytest
from known_games import TWO_PLAYERS, public_goods

from marl.errors import SolverError
from marl.games.concepts import CONCEPTS
from marl.games.normal_form import NormalFormGame
from marl.games.solution import solve

DOCUMENTED = {
    *("pure", "mixed", "complete", "correlated", "coarse_correlated", "max_welfare", "price_of_anarchy"),
    *(
        "price_of_stability",
        "pareto",
        "ess",
        "better_response_sinks",
        "alpha_rank",
        "uniform_regret",
        "nash_conv",
        "summary",
    ),
}


def test_the_whole_record_survives_json() -> None:
    record = solve(NormalFormGame(TWO_PLAYERS["chicken"][:2]))
    assert set(record) >= DOCUMENTED
    assert json.loads(json.dumps(record)) == record
    assert record["notes"] == {}
    assert (record["correlated"]["max_welfare"], record["correlated"]["min_welfare"]) == (10.5, 7.2)


def test_only_what_was_asked_for() -> None:
    record = solve(NormalFormGame(TWO_PLAYERS["chicken"][:2]), ["pure", "welfare", "pure"])
    assert set(record) == {
        *("players", "strategies", "exact", "time_limit", "notes", "summary"),
        *CONCEPTS["pure"].fields,
        *CONCEPTS["welfare"].fields,
    }
    with pytest.raises(SolverError, match=r"unknown concepts \['nash'\]; there are pure"):
        solve(NormalFormGame([[1]]), ["nash"])


def test_what_has_no_answer_leaves_none_and_a_reason() -> None:
    record = solve(NormalFormGame(public_goods(3)))
    assert record["ess"] is None
    assert set(record["notes"]) == {"ess", "commitment"}
    texts = [one["text"] for one in record["summary"]]
    assert any(text.startswith("No answer for “ess”") for text in texts)
    assert any(
        text.startswith("No answer for “commitment”: “undefined: commitment needs two players; this game has 3")
        for text in texts
    )


def test_one_player() -> None:
    record = solve(NormalFormGame([[1, 3, 3]]))
    assert record["pure"] == [[1], [2]]
    assert record["complete"] == "yes"
    assert record["correlated"]["max_welfare"] == 3


def test_a_time_limit_gives_a_stated_part() -> None:
    game = NormalFormGame(np.random.default_rng(0).integers(0, 9, size=(4, 5, 5, 5, 5)))
    record = solve(game, ["pure", "mixed", "dominance"], time_limit=3)
    assert record["pure"] is not None
    assert record["complete"] == "unknown"
    assert "mixed supports" in record["completeness"]


def test_a_concept_that_does_not_end_is_killed_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marl.games.answers.GRACE", 0.0)
    monkeypatch.setattr("marl.games.answers._work", _stubborn)
    record = solve(NormalFormGame(TWO_PLAYERS["chicken"][:2]), ["pure", "mixed", "welfare", "regret"], time_limit=12)
    assert record["pure"] == [[0, 1], [1, 0]]
    assert record["mixed"] is None
    assert "stopped after" in record["notes"]["mixed"]
    assert record["nash_conv"] == 0.5


from child_tasks import stubborn as _stubborn  # noqa: E402  (a function that a fresh process can import)


def test_too_little_memory_is_said() -> None:
    game = NormalFormGame(np.random.default_rng(0).normal(size=(2, 400, 400)))
    with pytest.raises(SolverError, match="unknown"):
        solve(game, ["none"])
    record = solve(game, ["correlated"], megabytes=700, time_limit=20)
    assert record["correlated"] is None
    assert record["notes"]["correlated"]
