from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from marl.learning import objectives

Path = list[tuple[float, float]]
"""(reward, value) of each turn."""
PATHS = st.lists(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=6), min_size=1, max_size=4
)


def padded(paths: list[Path]) -> tuple[Tensor, Tensor, Tensor]:
    """Rewards, values and mask, [N, L] each; padding holds numbers that nobody may read."""
    longest = max(map(len, paths))
    rewards = torch.full((len(paths), longest), 77.0, dtype=torch.float64)
    values = torch.full((len(paths), longest), -55.0, dtype=torch.float64)
    mask = torch.zeros(len(paths), longest, dtype=torch.bool)
    for n, path in enumerate(paths):
        for t, (reward, value) in enumerate(path):
            rewards[n, t], values[n, t], mask[n, t] = reward, value, True
    return rewards, values, mask


def discounted(rewards: list[float], gamma: float, after: float) -> float:
    return sum(gamma**k * reward for k, reward in enumerate(rewards)) + gamma ** len(rewards) * after


@given(PATHS, st.floats(0, 1), st.floats(0, 1), st.floats(-5, 5))
def test_gae_equals_the_sum_that_defines_it(paths: list[Path], gamma: float, lam: float, after: float) -> None:
    rewards, values, mask = padded(paths)
    bootstrap = torch.full((len(paths),), after, dtype=torch.float64)
    advantages, targets = objectives.gae(rewards, values, bootstrap, mask, gamma=gamma, lam=lam)
    for n, path in enumerate(paths):
        following = [value for _, value in path[1:]] + [after]
        deltas = [r + gamma * nxt - v for (r, v), nxt in zip(path, following, strict=True)]
        for t, (_, value) in enumerate(path):
            expected = sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, len(path)))
            assert float(advantages[n, t]) == pytest.approx(expected, abs=1e-9)
            assert float(targets[n, t]) == pytest.approx(expected + value, abs=1e-9)
        assert not advantages[n, len(path) :].any()
        assert not targets[n, len(path) :].any()


def test_gae_with_lambda_one_is_the_discounted_return_less_the_value() -> None:
    rewards = torch.tensor([[1.0, 2.0, 3.0]])
    values, mask = torch.tensor([[0.3, 0.2, 0.1]]), torch.ones(1, 3, dtype=torch.bool)
    _, targets = objectives.gae(rewards, values, torch.tensor([10.0]), mask, gamma=0.5, lam=1.0)
    torch.testing.assert_close(targets, torch.tensor([[1 + 1 + 0.75 + 1.25, 2 + 1.5 + 2.5, 3 + 5.0]]))


@given(PATHS, st.floats(0, 1), st.floats(0, 1), st.floats(-5, 5))
def test_td_lambda_is_the_weighted_mean_of_all_n_step_returns(
    paths: list[Path], gamma: float, lam: float, after: float
) -> None:
    """The forward view: (1 - lambda) sum_n lambda^(n-1) G_{t:t+n}, what is left of the weight on the whole return."""
    rewards, values, mask = padded(paths)
    bootstrap = torch.full((len(paths),), after, dtype=torch.float64)
    targets = objectives.td_lambda(rewards, values, bootstrap, mask, gamma=gamma, lam=lam)
    for n, path in enumerate(paths):
        follows = [value for _, value in path] + [after]
        for t in range(len(path)):
            left = len(path) - t
            returns = [
                discounted([r for r, _ in path[t : t + steps]], gamma, follows[t + steps])
                for steps in range(1, left + 1)
            ]
            weights = [(1 - lam) * lam**k for k in range(left - 1)] + [lam ** (left - 1)]
            expected = sum(w * g for w, g in zip(weights, returns, strict=True))
            assert float(targets[n, t]) == pytest.approx(expected, abs=1e-9)
        assert not targets[n, len(path) :].any()


@given(PATHS, st.floats(0, 1), st.floats(-5, 5))
def test_monte_carlo_returns_equal_their_sums(paths: list[Path], gamma: float, after: float) -> None:
    rewards, _, mask = padded(paths)
    bootstrap = torch.full((len(paths),), after, dtype=torch.float64)
    returns = objectives.monte_carlo_returns(rewards, bootstrap, mask, gamma=gamma)
    for n, path in enumerate(paths):
        for t in range(len(path)):
            expected = discounted([r for r, _ in path[t:]], gamma, after)
            assert float(returns[n, t]) == pytest.approx(expected, abs=1e-9)
        assert not returns[n, len(path) :].any()


def test_normalize_and_its_degenerate_case() -> None:
    torch.testing.assert_close(objectives.normalize(torch.tensor([1.0, 3.0])), torch.tensor([-1.0, 1.0]))
    assert not objectives.normalize(torch.full((4,), 7.0)).any()
    assert not objectives.normalize(torch.tensor([3.0])).any()


@pytest.mark.parametrize("value", [0.3, -7.3, 1.1, 1000.1])
@pytest.mark.parametrize("count", [7, 100, 1000])
def test_equal_numbers_have_no_spread_whatever_their_mean_is_rounded_to(value: float, count: int) -> None:
    """Divided by the rounding error of their mean, equal advantages would all be 1: every move would be reinforced."""
    values = torch.full((count,), value)
    assert not objectives.normalize(values).any()
    assert objectives.explained_variance(torch.zeros(count), values) == 0.0
    values[0] += 1e-4 * abs(value)
    assert float(objectives.normalize(values).square().mean()) == pytest.approx(1.0, abs=1e-3), "small, but not nothing"


def test_normalize_leaves_artificial_rows_out() -> None:
    """One-step dialogues have as many rows to bootstrap from as real ones; counting their zeros shrinks everything."""
    values = torch.tensor([1.0, 3.0, 0.0, 0.0], dtype=torch.float64)
    real = torch.tensor([True, True, False, False])
    assert objectives.normalize(values, real).tolist() == [-1.0, 1.0, 0.0, 0.0]
    assert objectives.normalize(values)[:2].tolist() != [-1.0, 1.0]
    assert objectives.normalize(values, torch.zeros(4, dtype=torch.bool)).tolist() == [0.0] * 4


def test_explained_variance() -> None:
    targets = torch.tensor([1.0, 2.0, 3.0])
    assert objectives.explained_variance(targets, targets) == pytest.approx(1.0)
    assert objectives.explained_variance(torch.full((3,), 2.0), targets) == pytest.approx(0.0)
    assert objectives.explained_variance(targets, torch.full((3,), 2.0)) == 0.0
