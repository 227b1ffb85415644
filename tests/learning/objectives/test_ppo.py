from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from marl.learning import objectives

MASK = torch.ones(1, 1, dtype=torch.bool)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [
        (1.5, 2.0, -2.4, 0.0),  # good and already more likely than 1.2: clipped, no gradient
        (0.5, 2.0, -1.0, -1.0),  # good and less likely: pushed up, -rho A
        (1.5, -2.0, 3.0, 3.0),  # bad and more likely: pushed down
        (0.5, -2.0, 1.6, 0.0),  # bad and already less likely than 0.8: clipped
    ],
)
def test_ppo_clip_loss_in_its_four_cases(ratio: float, advantage: float, loss: float, slope: float) -> None:
    log_prob = torch.tensor([[math.log(ratio)]], requires_grad=True)
    value = objectives.ppo_clip_loss(log_prob, torch.zeros(1, 1), torch.tensor([advantage]), MASK, clip=0.2)
    value.backward()
    assert value.item() == pytest.approx(loss, abs=1e-6)
    assert float(log_prob.grad) == pytest.approx(slope, abs=1e-6)


def test_ppo_gradient_at_ratio_one_is_that_of_the_whole_message() -> None:
    logits = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    new = logits.log_softmax(-1)[..., 0]
    advantages = torch.tensor([1.5, -0.5], dtype=torch.float64)
    clipped = objectives.ppo_clip_loss(new, new.detach(), advantages, mask, clip=0.2)
    reinforce = -(advantages * torch.where(mask, new, 0.0).sum(-1)).mean()
    (one,) = torch.autograd.grad(clipped, logits, retain_graph=True)
    (other,) = torch.autograd.grad(reinforce, logits)
    torch.testing.assert_close(one, other)


def test_padding_has_no_effect_on_any_loss() -> None:
    new, old = torch.tensor([[-1.0, -2.0]]), torch.tensor([[-1.1, -1.7]])
    mask, advantage = torch.tensor([[True, True]]), torch.tensor([0.7])
    wide = [torch.cat([x, torch.full((1, 2), 99.0)], dim=1) for x in (new, old)]
    wide_mask = torch.cat([mask, torch.zeros(1, 2, dtype=torch.bool)], dim=1)
    for narrow, padded in [
        (
            objectives.ppo_clip_loss(new, old, advantage, mask, clip=0.2),
            objectives.ppo_clip_loss(*wide, advantage, wide_mask, clip=0.2),
        ),
        (objectives.approximate_kl(new, old, mask), objectives.approximate_kl(*wide, wide_mask)),
        (objectives.clip_fraction(new, old, mask, clip=0.2), objectives.clip_fraction(*wide, wide_mask, clip=0.2)),
        (objectives.ratio_deviation(new, old, mask), objectives.ratio_deviation(*wide, wide_mask)),
        (
            objectives.entropy_bonus(new, mask, torch.tensor([True])),
            objectives.entropy_bonus(wide[0], wide_mask, torch.tensor([True])),
        ),
    ]:
        assert float(narrow) == pytest.approx(float(padded))


@given(
    st.lists(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=6), min_size=1, max_size=4),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(-5, 5),
)
def test_gae_equals_the_sum_that_defines_it(paths: list, gamma: float, lam: float, after: float) -> None:
    longest = max(map(len, paths))
    rewards, values = (
        torch.zeros(len(paths), longest, dtype=torch.float64),
        torch.zeros(len(paths), longest, dtype=torch.float64),
    )
    mask = torch.zeros(len(paths), longest, dtype=torch.bool)
    for n, path in enumerate(paths):
        for t, (reward, value) in enumerate(path):
            rewards[n, t], values[n, t], mask[n, t] = reward, value, True
    bootstrap = torch.full((len(paths),), after, dtype=torch.float64)
    advantages, targets = objectives.gae(rewards, values, bootstrap, mask, gamma=gamma, lam=lam)
    for n, path in enumerate(paths):
        following = [value for _, value in path[1:]] + [after]
        deltas = [r + gamma * nxt - v for (r, v), nxt in zip(path, following, strict=True)]
        for t, (_, value) in enumerate(path):
            expected = sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, len(path)))
            assert float(advantages[n, t]) == pytest.approx(expected, abs=1e-6)
            assert float(targets[n, t]) == pytest.approx(expected + value, abs=1e-6)
        assert not advantages[n, len(path) :].any()
        assert not targets[n, len(path) :].any()


def test_gae_with_lambda_one_is_the_discounted_return_less_the_value() -> None:
    rewards = torch.tensor([[1.0, 2.0, 3.0]])
    values, mask = torch.tensor([[0.3, 0.2, 0.1]]), torch.ones(1, 3, dtype=torch.bool)
    _, targets = objectives.gae(rewards, values, torch.tensor([10.0]), mask, gamma=0.5, lam=1.0)
    torch.testing.assert_close(targets, torch.tensor([[1 + 1 + 0.75 + 1.25, 2 + 1.5 + 2.5, 3 + 5.0]]))


def test_normalize_and_its_degenerate_case() -> None:
    torch.testing.assert_close(objectives.normalize(torch.tensor([1.0, 3.0])), torch.tensor([-1.0, 1.0]))
    assert not objectives.normalize(torch.full((4,), 7.0)).any()


def test_value_loss_ignores_masked_rows() -> None:
    loss = objectives.value_loss(
        torch.tensor([1.0, 2.0, 50.0]), torch.tensor([0.0, 4.0, 0.0]), torch.tensor([True, True, False])
    )
    assert float(loss) == pytest.approx((1 + 4) / 2 / 2)


def test_entropy_bonus_does_not_pay_for_length() -> None:
    entropy = torch.tensor([[2.0, 2.0, 2.0], [1.0, 0.0, 0.0]])
    mask = torch.tensor([[True, True, True], [True, False, False]])
    assert float(objectives.entropy_bonus(entropy, mask, torch.tensor([True, True]))) == pytest.approx(1.5)
    assert float(objectives.entropy_bonus(entropy, mask, torch.tensor([True, False]))) == pytest.approx(2.0)
    assert float(objectives.entropy_bonus(entropy, mask, torch.tensor([False, False]))) == 0.0


def test_approximate_kl_is_near_the_true_divergence_in_expectation() -> None:
    old, new = torch.tensor([0.2, 0.3, 0.5]), torch.tensor([0.3, 0.3, 0.4])
    each = [float(objectives.approximate_kl(new.log()[i].view(1, 1), old.log()[i].view(1, 1), MASK)) for i in range(3)]
    expected = sum(float(p) * k for p, k in zip(old, each, strict=True))
    assert expected == pytest.approx(float((old * (old / new).log()).sum()), abs=1e-6)


def test_ratio_deviation_and_clip_fraction() -> None:
    new, old = torch.tensor([[math.log(1.3), math.log(1.1)]]), torch.zeros(1, 2)
    mask = torch.ones(1, 2, dtype=torch.bool)
    assert float(objectives.ratio_deviation(new, old, mask)) == pytest.approx(0.3, abs=1e-6)
    assert float(objectives.clip_fraction(new, old, mask, clip=0.2)) == pytest.approx(0.5)


def test_explained_variance() -> None:
    targets = torch.tensor([1.0, 2.0, 3.0])
    assert objectives.explained_variance(targets, targets) == pytest.approx(1.0)
    assert objectives.explained_variance(torch.full((3,), 2.0), targets) == pytest.approx(0.0)
    assert objectives.explained_variance(targets, torch.full((3,), 2.0)) == 0.0


def test_schedule_runs_from_first_to_last_iteration() -> None:
    values = [objectives.scheduled((0.4, 0.0), i, 5) for i in range(6)]
    assert values == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0, 0.0])
    assert objectives.scheduled((0.4, 0.0), 0, 1) == 0.4


def test_masked_mean_of_nothing_is_zero_with_a_gradient() -> None:
    values = torch.ones(3, requires_grad=True)
    mean = objectives.masked_mean(values, torch.zeros(3, dtype=torch.bool))
    mean.backward()
    assert float(mean) == 0.0
    assert not values.grad.any()
