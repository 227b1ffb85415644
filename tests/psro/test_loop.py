from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tabular import Killed, Tabular, kuhn

from marl.errors import EnvError
from marl.psro.loop import grow
from marl.psro.record import Record
from marl.settings import PSROSettings

MakeRecord = Callable[..., Record]
# Rock beats scissors twice as high: the equilibrium is 1/4, 1/2, 1/4 (by hand).
WEIGHTED = np.array([[[0, -1, 2], [1, 0, -1], [-2, 1, 0]], [[0, 1, -2], [-1, 0, 1], [2, -1, 0]]])
SHARED = {"player_0": "both", "player_1": "both"}


def grown(oracle: Tabular, record: Record, **settings: Any) -> list[dict[str, Any]]:
    chosen = PSROSettings(**{"episodes": 300, "epsilon": 0.05, **settings})
    return grow(oracle, record, chosen, confidence=0.95, seed=0)


def play_of(oracle: Tabular, record: Record, rows: list[dict[str, Any]]) -> list[np.ndarray]:
    """How often each agent plays each strategy of the whole game in the last meta-strategy."""
    kept = record.store.read_json(f"meta_strategies/{rows[-1]['iteration']:03d}.json")
    found = []
    for player, (agent, name) in enumerate(oracle.populations.items()):
        own = np.zeros(oracle.game.shape[player])
        np.add.at(own, oracle.pure[name][: len(kept["marginals"][agent])], kept["marginals"][agent])
        found.append(own)
    return found


@pytest.mark.parametrize("populations", [None, SHARED])
def test_weighted_rock_paper_scissors_is_solved_and_no_profile_is_played_twice(
    make_record: MakeRecord, populations: Any
) -> None:
    oracle = Tabular(WEIGHTED, populations)
    record = make_record(list(oracle.populations))
    rows = grown(oracle, record)
    assert rows[-1]["reason"].startswith("confidence bound")
    assert rows[0]["exact/nash_conv"] == pytest.approx(2.0)  # rock against rock: paper gains 1 for either
    assert rows[0]["psro/gains"] == pytest.approx(2.0)
    assert rows[-1]["exact/nash_conv"] == pytest.approx(0.0, abs=1e-9)
    for own in play_of(oracle, record, rows):
        np.testing.assert_allclose(own, [1 / 4, 1 / 2, 1 / 4], atol=1e-9)
    assert set(Counter(oracle.played).values()) == {1}
    assert rows[-1]["psro/episodes"] == 300 * len(oracle.played) == 300 * rows[-1]["psro/profiles"]


def test_the_double_oracle_solves_kuhn_poker(make_record: MakeRecord) -> None:
    oracle = Tabular(kuhn())
    record = make_record(list(oracle.populations))
    rows = grown(oracle, record, iterations=20, epsilon=1e-6, episodes=2)
    assert rows[-1]["reason"].startswith("iterations")  # two episodes bound nothing
    assert rows[-1]["exact/nash_conv"] < 1e-6
    one, two = play_of(oracle, record, rows)
    assert one @ oracle.game.payoffs[0] @ two == pytest.approx(-1 / 18)  # Kuhn 1950
    assert len({*oracle.pure["player_0"]}) < 20  # of 64 plans
    # What is measured, from below, is what is true: the exact best responses are among the members.
    for row in rows[:-1]:
        assert row["psro/gains"] == pytest.approx(row["exact/nash_conv"], abs=1e-9)


@pytest.mark.parametrize("solver", ["uniform", "alpha_rank", "correlated"])
def test_every_meta_solver_lowers_kuhn_pokers_nash_conv(make_record: MakeRecord, solver: str) -> None:
    oracle = Tabular(kuhn())
    rows = grown(oracle, make_record(list(oracle.populations)), meta_solver=solver, iterations=12, episodes=2)
    curve = [row["exact/nash_conv"] for row in rows]
    assert min(curve[6:]) < 0.4 * curve[0]


def test_an_end_by_the_limit_says_so_and_leaves_the_last_mixture_unmeasured(make_record: MakeRecord) -> None:
    oracle = Tabular(WEIGHTED)
    rows = grown(oracle, make_record(list(oracle.populations)), iterations=2)
    assert [row["iteration"] for row in rows] == [0, 1, 2]
    assert rows[-1]["reason"] == "iterations: all 2 are done"
    assert "psro/gains" not in rows[-1]
    assert {k: v for k, v in rows[-1].items() if "incumbent" in k} == {
        k: v for k, v in rows[-2].items() if "incumbent" in k
    }
    assert [oracle.members(name) for name in oracle.pure] == [3, 3]


def test_the_bound_and_not_the_estimate_ends_it(make_record: MakeRecord) -> None:
    """Against noise the same populations need as many episodes as the bound asks for."""
    ends = {}
    for episodes in (8, 300):
        oracle = Tabular(WEIGHTED, noise=0.3)
        record = make_record(list(oracle.populations), f"run{episodes}")
        ends[episodes] = grown(oracle, record, iterations=5, episodes=episodes, epsilon=0.2)
    assert ends[8][-1]["reason"].startswith("iterations")
    assert ends[300][-1]["reason"].startswith("confidence bound")
    assert ends[300][-1]["psro/epsilon"] <= 0.2
    assert ends[300][-1]["exact/nash_conv"] < 0.4
    for row in ends[8][:-1]:
        assert row["psro/epsilon"] > 0.2
        assert row["psro/gains_low"] <= row["psro/gains"] <= row["psro/gains_high"]


def test_three_players_correlated(make_record: MakeRecord) -> None:
    """Everybody wants to be alone with a choice of three: nobody gains against the joint distribution at the end."""
    shape = (3, 3, 3)
    payoffs = np.zeros((3, *shape))
    for place in np.ndindex(shape):
        for player in range(3):
            payoffs[(player, *place)] = float(place.count(place[player]) == 1)
    oracle = Tabular(payoffs)
    rows = grown(oracle, make_record(list(oracle.populations)), meta_solver="correlated", iterations=9, episodes=70)
    assert rows[-1]["reason"].startswith("confidence bound")


def test_the_reason_names_the_confidence_that_was_asked_for(make_record: MakeRecord) -> None:
    oracle = Tabular(WEIGHTED, None)
    record = make_record(list(oracle.populations))
    rows = grow(oracle, record, PSROSettings(episodes=300, epsilon=9.0), confidence=0.995, seed=0)
    assert "(99.5% confidence)" in rows[-1]["reason"]


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "time_s"} for row in rows]


@pytest.mark.parametrize("populations", [None, SHARED])
def test_a_run_killed_at_any_point_ends_as_one_that_was_not(make_record: MakeRecord, populations: Any) -> None:
    whole = Tabular(WEIGHTED, populations, noise=0.3)
    agents = list(whole.populations)
    record = make_record(agents, "whole")
    rows = grown(whole, record, iterations=2, episodes=4)
    for first in (0, 1, 4, 7, 10):
        oracle, name = Tabular(WEIGHTED, populations, noise=0.3), f"parts{first}"
        for alive in (first, 2):
            oracle.alive = alive
            try:
                grown(oracle, make_record(agents, name), iterations=2, episodes=4)
            except Killed:
                # A kill in the middle of a line.
                path = make_record(agents, name).store.path
                for file in (path / "payoffs.jsonl", path / "metrics.jsonl"):
                    with file.open("a") as lines:
                        lines.write('{"iteration": 7, "cut sh')
        oracle.alive = None
        resumed = make_record(agents, name)
        assert plain(grown(oracle, resumed, iterations=2, episodes=4)) == plain(rows)
        assert resumed.samples == record.samples
        assert set(Counter(oracle.played).values()) == {1}
        assert plain(make_record(agents, name).rows()) == plain(rows)
    assert plain(grown(oracle, resumed, iterations=2, episodes=4)) == plain(rows)  # it is over, and stays so


def test_episodes_that_failed_are_left_out(make_record: MakeRecord) -> None:
    oracle = Tabular(WEIGHTED)
    oracle.broken = {0, 2}
    record = make_record(list(oracle.populations))
    grown(oracle, record, iterations=1, episodes=4)
    assert all(list(own) == [1, 3] for own in record.samples.values())
    oracle.broken = {0, 1, 2}
    with pytest.raises(EnvError, match=r"1 of 4 episodes of profile \(0, 0\).*E: broken"):
        grown(oracle, make_record(list(oracle.populations), "other"), episodes=4)
