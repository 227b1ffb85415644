from __future__ import annotations

import pytest
import torch
from scipy.stats import entropy

from marl.errors import LearningError
from marl.learning import objectives

POLICY = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
REFERENCE = torch.tensor([0.4, 0.25, 0.35], dtype=torch.float64)
EACH = torch.ones(3, 1, dtype=torch.bool)


def test_the_estimator_is_the_divergence_in_expectation_and_never_negative() -> None:
    each = objectives.reference_kl(POLICY.log().unsqueeze(-1), REFERENCE.log().unsqueeze(-1), EACH).squeeze(-1)
    assert (each >= 0).all()
    assert float((POLICY * each).sum()) == pytest.approx(entropy(POLICY, REFERENCE), abs=1e-12)


def test_the_estimators_expected_gradient_is_that_of_the_divergence_the_other_way_round() -> None:
    logits = POLICY.log().requires_grad_()
    log_probs = logits.log_softmax(-1)
    each = objectives.reference_kl(log_probs.unsqueeze(-1), REFERENCE.log().unsqueeze(-1), EACH).squeeze(-1)
    (estimated,) = torch.autograd.grad((POLICY * each).sum(), logits, retain_graph=True)
    torch.testing.assert_close(estimated, POLICY - REFERENCE)  # d KL(reference || softmax z) / dz


def test_exact_kl_against_scipy_over_the_legal_options_only() -> None:
    legal = torch.tensor([[True, True, False, True], [True, False, False, True]])
    policy = torch.tensor([[0.2, 0.5, 0.0, 0.3], [0.9, 0.0, 0.0, 0.1]], dtype=torch.float64)
    reference = torch.tensor([[0.4, 0.25, 0.0, 0.35], [0.5, 0.0, 0.0, 0.5]], dtype=torch.float64)
    found = objectives.exact_kl(policy.log(), reference.log(), legal)
    assert found.tolist() == pytest.approx([entropy(p, q) for p, q in zip(policy, reference, strict=True)], abs=1e-12)
    noise = torch.full((2, 4), 12.3, dtype=torch.float64)
    anything = [torch.where(legal, x.log(), noise) for x in (policy, reference)]
    torch.testing.assert_close(objectives.exact_kl(*anything, legal), found)


def test_exact_kl_has_a_finite_gradient_beside_options_that_are_not_legal() -> None:
    legal = torch.tensor([[True, True, False]])
    logits = torch.tensor([[0.1, 0.4, 3.0]], dtype=torch.float64, requires_grad=True)
    log_probs = torch.where(legal, logits, -torch.inf).log_softmax(-1)
    uniform = objectives.uniform_log_probs(legal, dtype=torch.float64)
    (slope,) = torch.autograd.grad(objectives.exact_kl(log_probs, uniform, legal).sum(), logits)
    pi = log_probs.detach().exp()[0, :2]
    divergence = float((pi * (2 * pi).log()).sum())
    torch.testing.assert_close(slope[0, :2], pi * ((2 * pi).log() - divergence))
    assert slope[0, 2] == 0.0


def test_a_divergence_of_zero_and_an_infinite_one() -> None:
    legal = torch.ones(1, 2, dtype=torch.bool)
    sure = torch.tensor([[1.0, 0.0]], dtype=torch.float64).log()
    even = torch.tensor([[0.5, 0.5]], dtype=torch.float64).log()
    assert float(objectives.exact_kl(sure, sure, legal)) == 0.0
    assert float(objectives.exact_kl(sure, even, legal)) == pytest.approx(torch.tensor(2.0).log().item())
    assert float(objectives.exact_kl(even, sure, legal)) == torch.inf


def test_penalized_rewards() -> None:
    rewards = objectives.penalized_rewards(
        torch.tensor([1.0, 2.0]),
        torch.tensor([[-1.0, -2.0], [-0.5, 9.0]], requires_grad=True),
        torch.tensor([[-1.5, -4.0], [-0.25, 9.5]]),
        torch.tensor([[True, True], [True, False]]),
        coefficient=0.1,
    )
    assert rewards.tolist() == pytest.approx([1.0 - 0.1 * 2.5, 2.0 + 0.1 * 0.25])
    assert not rewards.requires_grad


@pytest.mark.parametrize(
    ("measured", "proportional", "doubling"),
    [
        (6.0, 2.0, 2.0),  # as wanted
        (6.6, 2.02, 2.0),  # e = 0.1
        (9.5, 2.04, 4.0),  # e cut to 0.2; above 1.5 times the target
        (3.9, 1.96, 1.0),  # e cut to -0.2; below the target / 1.5
        (4.1, 1.96, 2.0),
        (5.7, 1.99, 2.0),  # e = -0.05
        (0.0, 1.96, 1.0),
    ],
)
def test_adaptive_coefficient_by_hand(measured: float, proportional: float, doubling: float) -> None:
    assert objectives.adapted_coefficient(2.0, measured, 6.0) == pytest.approx(proportional, abs=1e-12)
    assert objectives.adapted_coefficient(2.0, measured, 6.0, rule="doubling") == doubling


def test_adaptive_coefficient_refuses_what_it_cannot_follow() -> None:
    with pytest.raises(LearningError, match="above 0"):
        objectives.adapted_coefficient(1.0, 0.1, 0.0)
    with pytest.raises(LearningError, match="finite"):
        objectives.adapted_coefficient(1.0, float("nan"), 0.1)
    with pytest.raises(LearningError, match="allowed are proportional, doubling"):
        objectives.adapted_coefficient(1.0, 0.1, 0.1, rule="guess")  # type: ignore[arg-type]
