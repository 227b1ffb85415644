import math

import numpy as np
import pytest

from marl.errors import SolverError
from marl.games.empirical import EmpiricalGame

PLAYERS = ("scout_0", "partner_0")
STRATEGIES = (("trained", "hare"), ("trained", "hare"))


def samples(episodes: int = 20, seed: int = 0, shared: float = 0.0) -> dict[tuple[int, ...], np.ndarray]:
    """Noise around made-up means; `shared` is the share of the noise that row e has in common in all profiles."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(episodes, 2))
    return {
        p: 3 * p[0] + p[1] + shared * common + (1 - shared) * rng.normal(size=(episodes, 2)) for p in np.ndindex(2, 2)
    }


def test_means_errors_and_counts_are_those_of_the_samples() -> None:
    played = samples()
    game = EmpiricalGame(PLAYERS, STRATEGIES, played)
    for profile, values in played.items():
        assert game.means[(slice(None), *profile)] == pytest.approx(values.mean(axis=0))
        error = values.std(axis=0, ddof=1) / math.sqrt(len(values))
        assert game.standard_errors[(slice(None), *profile)] == pytest.approx(error)
    assert game.counts.tolist() == [[20, 20], [20, 20]]
    assert game.missing == []
    normal = game.to_normal_form()
    assert (normal.players, normal.strategies) == (PLAYERS, STRATEGIES)
    assert np.array_equal(normal.payoffs, game.means)


def test_profiles_by_name_or_index() -> None:
    by_name = {("trained", "hare"): [[1, 2], [3, 4]], (1, "hare"): [[0, 0]]}
    game = EmpiricalGame(PLAYERS, STRATEGIES, by_name)
    assert sorted(game.samples) == [(0, 1), (1, 1)]
    assert game.names((0, 1)) == ("trained", "hare")
    for wrong in [("trained", "stag"), (0, 2), (0,), "ab", (0, 1.0)]:
        with pytest.raises(SolverError, match=r"no strategy|needs one strategy"):
            game.profile(wrong)


def test_missing_profiles_are_said_and_never_filled() -> None:
    played = samples()
    del played[1, 0]
    game = EmpiricalGame(PLAYERS, STRATEGIES, played)
    assert game.missing == [(1, 0)]
    assert not game.known[1, 0]
    assert np.isnan(game.means[:, 1, 0]).all()
    with pytest.raises(SolverError, match=r"1 profiles were never played, among them \('hare', 'trained'\)"):
        game.to_normal_form()
    with pytest.raises(SolverError, match="has 0 episodes"):
        game.estimate({(1, 0): np.ones((1, 2))})


def test_one_episode_has_a_mean_and_no_error() -> None:
    game = EmpiricalGame(PLAYERS, STRATEGIES, {(0, 0): [[1.0, 2.0]]})
    assert game.means[:, 0, 0].tolist() == [1.0, 2.0]
    assert np.isnan(game.standard_errors[:, 0, 0]).all()
    with pytest.raises(SolverError, match="has 1 episodes"):
        game.estimate({(0, 0): np.ones((1, 2))})


def gain() -> dict[tuple[int, ...], np.ndarray]:
    return {(1, 0): np.array([[1.0, 0.0]]), (0, 0): np.array([[-1.0, 0.0]])}


def test_unpaired_error_of_a_difference_is_welchs() -> None:
    played = samples()
    played[1, 0] = played[1, 0][:7]
    value, covariance = EmpiricalGame(PLAYERS, STRATEGIES, played).estimate(gain())
    a, b = played[1, 0][:, 0], played[0, 0][:, 0]
    assert value[0] == pytest.approx(a.mean() - b.mean())
    assert covariance[0, 0] == pytest.approx(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))


def test_paired_error_of_a_difference_is_that_of_the_differences() -> None:
    played = samples(shared=0.8)
    game = EmpiricalGame.from_samples(dict(zip(PLAYERS, STRATEGIES, strict=True)), played)
    difference = played[1, 0][:, 0] - played[0, 0][:, 0]
    paired = game.estimate(gain())[1][0, 0]
    assert paired == pytest.approx(difference.var(ddof=1) / len(difference))
    assert paired < EmpiricalGame(PLAYERS, STRATEGIES, played).estimate(gain())[1][0, 0] / 3


def test_seeds_pair_rows_in_any_order_and_disjoint_seeds_pair_none() -> None:
    played = samples(shared=0.8)
    order = np.random.default_rng(1).permutation(20)
    seeds = {p: list(range(20)) for p in played}
    straight = EmpiricalGame(PLAYERS, STRATEGIES, played, seeds).estimate(gain())[1]
    mixed = EmpiricalGame(
        PLAYERS, STRATEGIES, {**played, (1, 0): played[1, 0][order]}, {**seeds, (1, 0): order.tolist()}
    ).estimate(gain())[1]
    assert mixed == pytest.approx(straight)
    apart = {p: [100 * k + e for e in range(20)] for k, p in enumerate(played)}
    unpaired = EmpiricalGame(PLAYERS, STRATEGIES, played).estimate(gain())[1]
    assert EmpiricalGame(PLAYERS, STRATEGIES, played, apart).estimate(gain())[1] == pytest.approx(unpaired)


def test_covariance_of_several_combinations_is_that_of_the_players() -> None:
    played = samples()
    covariance = EmpiricalGame(PLAYERS, STRATEGIES, played).estimate({(0, 1): np.eye(2)})[1]
    assert covariance == pytest.approx(np.cov(played[0, 1].T) / 20)


@pytest.mark.parametrize(
    ("played", "seeds", "told"),
    [
        ({}, None, "no profile has samples"),
        ({(0, 0): [1.0, 2.0]}, None, "have shape"),
        ({(0, 0): np.zeros((0, 2))}, None, "have shape"),
        ({(0, 0): [[1.0, math.nan]]}, None, "leave failed episodes out"),
        ({(0, 0): [[1.0, 2.0]] * 2}, {(0, 0): [1]}, "2 different seeds"),
        ({(0, 0): [[1.0, 2.0]] * 2}, {(0, 0): [1, 1]}, "2 different seeds"),
        ({(0, 0): [[1.0, 2.0]] * 2}, {}, "2 different seeds"),
    ],
)
def test_what_does_not_fit_is_refused(played: dict, seeds: dict | None, told: str) -> None:
    with pytest.raises(SolverError, match=told):
        EmpiricalGame(PLAYERS, STRATEGIES, played, seeds)


def test_unequal_lengths_cannot_be_paired_by_row() -> None:
    names = dict(zip(PLAYERS, STRATEGIES, strict=True))
    played = {(0, 0): np.zeros((3, 2)), (0, 1): np.zeros((4, 2))}
    with pytest.raises(SolverError, match="paired=False"):
        EmpiricalGame.from_samples(names, played)
    assert EmpiricalGame.from_samples(names, played, paired=False).seeds is None
