"""The incumbent: measured with exact best responses, its gains are the true ones and never rise."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from tabular import Tabular, kuhn

from marl.games import EmpiricalGame
from marl.games.meta_solver import META_SOLVERS
from marl.games.regret import PlayerRegret, ProfileRegret
from marl.psro.incumbent import Measured, incumbent, measured, unseen_gain
from marl.psro.loop import grow
from marl.psro.record import Record
from marl.settings import PSROSettings

MakeRecord = Callable[..., Record]


def grown(oracle: Tabular, record: Record, iterations: int, **settings: Any) -> list[dict[str, Any]]:
    chosen = PSROSettings(**{"episodes": 2, "epsilon": 1e-6, "iterations": iterations, **settings})
    return grow(oracle, record, chosen, confidence=0.95, seed=0)


def alone_is_best() -> np.ndarray:
    """Three players and three choices, worth 1, 2 and 3 to whoever is alone with one."""
    payoffs = np.zeros((3, 3, 3, 3))
    for place in np.ndindex(3, 3, 3):
        for player in range(3):
            payoffs[(player, *place)] = (1 + place[player]) * (place.count(place[player]) == 1)
    return payoffs


@pytest.mark.parametrize("solver", META_SOLVERS)
def test_the_incumbents_exact_nash_conv_never_rises(make_record: MakeRecord, solver: str) -> None:
    """Payoffs sum to zero, so that gains over a joint distribution sum to the NashConv of its marginals."""
    oracle = Tabular(kuhn())
    rows = grown(oracle, make_record(list(oracle.populations)), 12, meta_solver=solver)
    curve = [row["exact/incumbent_nash_conv"] for row in rows]
    assert all(after <= before + 1e-9 for before, after in pairwise(curve))
    for number, row in enumerate(rows[:-1]):
        assert row["psro/incumbent_gains"] == pytest.approx(row["exact/incumbent_nash_conv"], abs=1e-9)
        least = min(one["exact/nash_conv"] for one in rows[: number + 1])
        assert row["exact/incumbent_nash_conv"] == pytest.approx(least, abs=1e-9)
    current = [row["exact/nash_conv"] for row in rows]
    assert any(after > before + 0.01 for before, after in pairwise(current)), "there is nothing to mend"


@pytest.mark.parametrize("solver", META_SOLVERS)
def test_three_players_gains_over_the_incumbent_are_true_and_never_rise(make_record: MakeRecord, solver: str) -> None:
    oracle = Tabular(alone_is_best())
    record = make_record(list(oracle.populations))
    rows = grown(oracle, record, 5, meta_solver=solver)
    true = [oracle.gains(record.meta(row["iteration"])) for row in rows]
    for number, row in enumerate(rows[:-1]):
        assert row["psro/incumbent_gains"] == pytest.approx(min(true[: number + 1]), abs=1e-9)
        assert true[row["psro/incumbent"]] == pytest.approx(min(true[: number + 1]), abs=1e-9)


def test_older_meta_strategies_are_measured_by_newer_members_without_a_new_episode(make_record: MakeRecord) -> None:
    """Of rock, paper, scissors: rock alone loses 1 a side to paper, and paper to scissors, which only came later."""
    rps = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    oracle = Tabular(np.array([rps, -rps]))
    record = make_record(list(oracle.populations))
    grown(oracle, record, 2, meta_solver="uniform")
    played = len(oracle.played)
    rock, half = measured(record, 3, confidence=0.95, seed=0)
    assert len(oracle.played) == played
    assert [rock.iteration, half.iteration] == [0, 1]
    assert [own.best_response for own in rock.regret.players] == [1, 1]
    assert rock.regret.nash_conv == pytest.approx((2.0, 2.0, 2.0))
    # Half rock, half paper: paper gets 1/2 and so does nothing else; both are scissors' and paper's draw by hand.
    assert half.regret.nash_conv == pytest.approx((1.0, 1.0, 1.0))


def one(iteration: int, mean: float, margin: float) -> Measured:
    own = PlayerRegret(mean, max(0.0, mean - margin), mean + margin, 0, ())
    return Measured(iteration, ProfileRegret((own, own)), mean + margin)


def test_the_upper_end_decides_and_of_equals_the_latest() -> None:
    assert incumbent([one(0, 0.2, 0.1), one(1, 0.1, 0.3), one(2, 0.25, 0.0)]).iteration == 2
    assert incumbent([one(0, 0.1, 0.0), one(1, 0.2, 0.0), one(2, 0.1, 0.0)]).iteration == 2


def test_against_noise_the_incumbent_is_worse_than_the_best_by_no_more_than_the_intervals(
    make_record: MakeRecord,
) -> None:
    oracle = Tabular(kuhn(), noise=0.5)
    rows = grown(oracle, make_record(list(oracle.populations)), 6, episodes=100)
    for number, row in enumerate(rows[:-1]):
        best = min(one["exact/nash_conv"] for one in rows[: number + 1])
        assert row["exact/incumbent_nash_conv"] - best <= row["psro/incumbent_gains_high"]
        assert row["psro/incumbent_gains_low"] <= row["exact/incumbent_nash_conv"]


def test_what_never_varied_is_not_known_for_sure() -> None:
    """Of 20 episodes without a difference, a difference in 14 % of all cannot be excluded: 0.86^20 is 5 %."""
    game = EmpiricalGame(["one", "two"], [["a"], ["b"]], {(0, 0): [[1.0, 0.0]] * 19 + [[-1.0, 3.0]]})
    share = unseen_gain(game, 0.95) / 3.0
    assert (1 - share) ** 20 == pytest.approx(0.05)
