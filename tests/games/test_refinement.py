"""What to play next: counts against the closed form, and a plan that, once played, decides."""

from __future__ import annotations

import numpy as np
import pytest

from marl.games.empirical import EmpiricalGame
from marl.games.refinement import refinement, within
from marl.games.regret import Gains, deviation_gains, pure_joint

STRATEGIES = {"a": ("x", "y"), "b": ("z",)}
POINT = (0, 0)


def game(gain: float, episodes: int, noise: float = 1.0, seed: int = 0) -> EmpiricalGame:
    """a's switch from x to y gains `gain` with normal noise; b cannot choose. The means are exact."""
    rng = np.random.default_rng(seed)
    samples = {}
    for strategy, mean in ((0, 0.0), (1, gain)):
        values = rng.standard_normal((episodes, 2))
        values[:, 1] = 0.0
        values[:, 0] = mean + noise * (values[:, 0] - values[:, 0].mean())
        samples[strategy, 0] = values
    return EmpiricalGame.from_samples(STRATEGIES, samples, paired=False)


def plan(played: EmpiricalGame, **settings: float) -> dict:
    return refinement(played, [switches(played)], **settings)


def switches(played: EmpiricalGame) -> Gains:
    return deviation_gains(played, pure_joint(POINT, played.shape), confidence=0.95, rng=np.random.default_rng(0))


@pytest.mark.parametrize(("gain", "precision"), [(0.2, 0.0), (-0.2, 0.0), (0.0001, 5000.0), (-0.1, 2.0)])
def test_the_plan_follows_from_the_interval(gain: float, precision: float) -> None:
    made = game(gain, 20)
    gains = switches(made)
    margin, spread = gains.margins.max(), max(abs(gain), made.standard_errors.max())
    enough = max(abs(gain), precision * spread - gain)
    found = plan(made, precision=precision)
    assert found["tolerance"] == pytest.approx(precision * spread)
    if margin <= enough:
        assert found["profiles"] == []
        assert found["undecided"] == 0
    else:
        more = (margin / enough) ** 2 * 20 - 20
        assert [one["more"] for one in found["profiles"]] == [pytest.approx(more, abs=1)] * 2
        assert [one["played"] for one in found["profiles"]] == [20, 20]
        assert found["undecided"] == 1
    assert found["questions"] == 3


def test_what_is_played_by_the_plan_decides() -> None:
    first = plan(game(0.3, 20))
    assert first["undecided"] == 1
    more = first["profiles"][0]["more"]
    assert plan(game(0.3, 20 + int(1.5 * more)))["undecided"] == 0, "half as many again, as variances are estimates too"


def test_equal_means_need_no_endless_play() -> None:
    found = plan(game(0.0, 20))
    assert found["undecided"] == 1
    assert 20 < found["profiles"][0]["more"] < 10**6


def test_without_noise_all_is_decided() -> None:
    assert plan(game(0.3, 4, noise=0.0)) == {"tolerance": 0.05 * 0.3, "questions": 3, "undecided": 0, "profiles": []}


def test_a_missing_profile_is_asked_for() -> None:
    partly = EmpiricalGame(["a", "b"], [["x", "y"], ["z"]], {(0, 0): [[1.0, 1.0]] * 7})
    found = plan(partly)
    assert found["profiles"] == [{"profile": [1, 0], "played": 0, "more": 7}]
    assert found["undecided"] == 1


def test_a_budget_is_shared_out_in_proportion() -> None:
    made = {
        "profiles": [{"profile": [0, 1], "more": 60}, {"profile": [1, 0], "more": 30}, {"profile": [1, 1], "more": 9}]
    }
    assert within(made, 1000) == {(0, 1): 60, (1, 0): 30, (1, 1): 9}
    shared = within(made, 10)
    assert sum(shared.values()) == 10
    assert shared == {(0, 1): 6, (1, 0): 3, (1, 1): 1}
    assert within({"profiles": []}, 10) == {}
