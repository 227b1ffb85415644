import json
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_rel

from marl.errors import SolverError
from marl.games.arm_comparison import compare_arms
from marl.games.empirical import EmpiricalGame

NAMES = {"row": ("stag", "hare"), "column": ("stag", "hare")}
STAG = np.array([[[9.0, 0.0], [8.0, 7.0]], [[9.0, 8.0], [0.0, 7.0]]])
DILEMMA = np.array([[[3.0, 0.0], [4.0, 1.0]], [[3.0, 4.0], [0.0, 1.0]]])


def game(payoffs: np.ndarray, noise: float = 0.0, episodes: int = 20, seed: int = 0, shift: int = 0) -> EmpiricalGame:
    """Each episode moves all payoffs of all profiles by the same chance, so that pairs differ by their means alone."""
    chance = noise * np.random.default_rng(seed).normal(size=(episodes, 1))
    samples = {p: payoffs[(slice(None), *p)] + chance for p in np.ndindex(2, 2)}
    seeds = {p: range(shift, shift + episodes) for p in samples}
    return EmpiricalGame(tuple(NAMES), list(NAMES.values()), samples, seeds)


def compared(**games: EmpiricalGame) -> dict[str, Any]:
    return compare_arms(games, ("stag", "stag"), rng=np.random.default_rng(0))


def test_what_talk_makes_of_a_dilemma() -> None:
    """With the channel a stag hunt, without it a prisoner's dilemma: one equilibrium lost, none gained."""
    found = compared(normal=game(STAG, 2.0), off=game(DILEMMA, 2.0))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    gap = found["differences"]["off"]
    assert gap["welfare"] == pytest.approx({"mean": 12.0, "low": 12.0, "high": 12.0}), "paired by seed"
    assert [one["mean"] for one in gap["payoffs"]] == pytest.approx([6, 6])
    (lost,) = gap["pure"].pop("lost")
    assert gap["pure"] == {"kept": [[1, 1]], "gained": []}
    assert lost["profile"] == [0, 0]
    assert lost["established"]
    assert lost["regret"] == pytest.approx({"mean": 1.0, "low": 1.0, "high": 1.0})
    assert gap["mixed_supports"] == {"kept": [], "lost": [[[0, 1], [0, 1]]], "gained": []}
    assert gap["sinks"] == {"kept": [[[1, 1]]], "lost": [[[0, 0]]], "gained": []}
    assert found["arms"]["normal"]["pure"] == [[0, 0], [1, 1]]


def test_the_same_game_twice_differs_in_nothing() -> None:
    found = compared(normal=game(STAG, 1.0), deaf=game(STAG, 1.0))
    gap = found["differences"]["deaf"]
    assert gap["welfare"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert gap["pure"] == {"kept": [[0, 0], [1, 1]], "lost": [], "gained": []}
    assert not gap["sinks"]["lost"] + gap["sinks"]["gained"] + gap["mixed_supports"]["lost"]


def test_a_single_difference_has_the_paired_t_interval_and_unshared_seeds_are_not_paired() -> None:
    rng = np.random.default_rng(3)
    one, other = (
        EmpiricalGame(("alone",), [("wait",)], {(0,): rng.normal(size=(12, 1))}, {(0,): range(12)}) for _ in range(2)
    )
    gap = compare_arms({"a": one, "b": other}, (0,), rng=rng)["differences"]["b"]["welfare"]
    expected = ttest_rel(one.samples[0,][:, 0], other.samples[0,][:, 0]).confidence_interval(0.95)
    assert (gap["low"], gap["high"]) == pytest.approx((expected.low, expected.high), abs=0.03)
    unpaired = compared(normal=game(STAG, 2.0), off=game(STAG, 2.0, shift=100))["differences"]["off"]["welfare"]
    assert unpaired["mean"] == pytest.approx(0)
    assert unpaired["high"] - unpaired["low"] > 1


def test_intervals_cover_all_arms_and_players_at_once() -> None:
    rng, covered = np.random.default_rng(1), 0
    for _ in range(40):
        games = {
            arm: EmpiricalGame(("a", "b"), [("x",), ("y",)], {(0, 0): rng.normal(size=(15, 2))}, {(0, 0): range(15)})
            for arm in "nosd"
        }
        rows = compare_arms(games, (0, 0), rng=rng)["differences"].values()
        covered += all(r["low"] <= 0 <= r["high"] for own in rows for r in [own["welfare"], *own["payoffs"]])
    assert covered >= 34  # of 40 at 0.95: fewer with a probability of 0.003


def test_an_equilibrium_that_noise_hides_is_not_called_lost_for_sure() -> None:
    flat = np.array([[[5.0, 5.0], [5.2, 5.0]], [[5.0, 5.0], [5.0, 5.0]]])
    rng = np.random.default_rng(0)
    noisy = EmpiricalGame(
        tuple(NAMES),
        list(NAMES.values()),
        {p: flat[(slice(None), *p)] + 3 * rng.normal(size=(10, 2)) for p in np.ndindex(2, 2)},
    )
    found = compare_arms({"normal": game(STAG), "off": noisy}, (0, 0), rng=rng)["differences"]["off"]["pure"]
    assert found["lost"]
    assert not any(one["established"] for one in found["lost"])


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SolverError, match="1 arms cannot be compared"):
        compared(normal=game(STAG))
    other = EmpiricalGame(("a",), [("x",)], {(0,): [[1.0], [2.0]]})
    with pytest.raises(SolverError, match="arm 'off' has other players"):
        compared(normal=game(STAG), off=other)
