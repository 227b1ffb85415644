from __future__ import annotations

import math

import pytest
import torch

from marl.errors import LearningError
from marl.learning import objectives

MASK = torch.ones(1, 1, dtype=torch.bool)


@pytest.mark.parametrize("credit", ["token", "turn"])
@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [
        (1.5, 2.0, -2.4, 0.0),  # good and already more likely than 1.2: clipped, no gradient
        (0.5, 2.0, -1.0, -1.0),  # good and less likely: pushed up, -rho A
        (1.5, -2.0, 3.0, 3.0),  # bad and more likely: pushed down
        (0.5, -2.0, 1.6, 0.0),  # bad and already less likely than 0.8: clipped
    ],
)
def test_ppo_clip_loss_in_its_four_cases(
    ratio: float, advantage: float, loss: float, slope: float, credit: objectives.Credit
) -> None:
    log_prob = torch.tensor([[math.log(ratio)]], dtype=torch.float64, requires_grad=True)
    value = objectives.ppo_clip_loss(
        log_prob,
        torch.zeros(1, 1, dtype=torch.float64),
        torch.tensor([advantage], dtype=torch.float64),
        MASK,
        clip=0.2,
        credit=credit,
    )
    value.backward()
    assert value.item() == pytest.approx(loss, abs=1e-12)
    assert float(log_prob.grad) == pytest.approx(slope, abs=1e-12)


@pytest.mark.parametrize("credit", ["token", "turn"])
def test_ppo_gradient_at_ratio_one_is_that_of_the_whole_message(credit: objectives.Credit) -> None:
    logits = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    new = logits.log_softmax(-1)[..., 0]
    advantages = torch.tensor([1.5, -0.5], dtype=torch.float64)
    clipped = objectives.ppo_clip_loss(new, new.detach(), advantages, mask, clip=0.2, credit=credit)
    reinforce = -(advantages * torch.where(mask, new, 0.0).sum(-1)).mean()
    (one,) = torch.autograd.grad(clipped, logits, retain_graph=True)
    (other,) = torch.autograd.grad(reinforce, logits)
    torch.testing.assert_close(one, other)


def test_credit_decides_whether_tokens_are_clipped_alone_or_the_text_as_a_whole() -> None:
    """Ratios 1.5 and 0.8 within one text of ratio 1.2: eps 0.25 clips the first token and not the text."""
    new = torch.tensor([[math.log(1.5), math.log(0.8)]], dtype=torch.float64)
    old, mask = torch.zeros(1, 2, dtype=torch.float64), torch.ones(1, 2, dtype=torch.bool)
    advantage = torch.ones(1, dtype=torch.float64)
    loss = {
        credit: float(objectives.ppo_clip_loss(new, old, advantage, mask, clip=0.25, credit=credit))
        for credit in ("token", "turn")
    }
    assert loss == pytest.approx({"token": -(1.25 + 0.8), "turn": -1.2}, abs=1e-12)
    assert float(objectives.clip_fraction(new, old, mask, clip=0.25)) == 0.5
    assert float(objectives.clip_fraction(new, old, mask, clip=0.25, credit="turn")) == 0.0
    assert float(objectives.clip_fraction(new, old, mask, clip=0.1, credit="turn")) == 1.0


def test_unknown_credit_is_refused() -> None:
    zeros = torch.zeros(1, 1)
    with pytest.raises(LearningError, match="'letter' is not known; allowed are token, turn"):
        objectives.ppo_clip_loss(zeros, zeros, zeros[0], MASK, clip=0.2, credit="letter")  # type: ignore[arg-type]


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
        (
            objectives.ppo_clip_loss(new, old, advantage, mask, clip=0.2, credit="turn"),
            objectives.ppo_clip_loss(*wide, advantage, wide_mask, clip=0.2, credit="turn"),
        ),
        (objectives.approximate_kl(new, old, mask), objectives.approximate_kl(*wide, wide_mask)),
        (objectives.clip_fraction(new, old, mask, clip=0.2), objectives.clip_fraction(*wide, wide_mask, clip=0.2)),
        (objectives.ratio_deviation(new, old, mask), objectives.ratio_deviation(*wide, wide_mask)),
        (
            objectives.reinforce_loss(new, advantage, mask),
            objectives.reinforce_loss(wide[0], advantage, wide_mask),
        ),
        (objectives.reference_kl(new, old, mask).sum(), objectives.reference_kl(*wide, wide_mask).sum()),
        (
            objectives.entropy_bonus(new, mask, torch.tensor([True])),
            objectives.entropy_bonus(wide[0], wide_mask, torch.tensor([True])),
        ),
    ]:
        assert float(narrow) == pytest.approx(float(padded))


def test_value_loss_ignores_masked_rows() -> None:
    loss = objectives.value_loss(
        torch.tensor([1.0, 2.0, 50.0]), torch.tensor([0.0, 4.0, 0.0]), torch.tensor([True, True, False])
    )
    assert float(loss) == pytest.approx((1 + 4) / 2 / 2)


@pytest.mark.parametrize(
    ("prediction", "loss", "slope"),
    [
        (0.1, 0.5 * 0.9**2, -0.9),  # within the clip of the old 0: the plain error
        (0.5, 0.5 * 0.8**2, 0.0),  # moved farther towards the target 1 than 0.2: no more to earn
        (-0.5, 0.5 * 1.5**2, -1.5),  # moved away: the plain error, which is the larger
    ],
)
def test_value_clipping(prediction: float, loss: float, slope: float) -> None:
    v = torch.tensor([prediction], dtype=torch.float64, requires_grad=True)
    one, old = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    value = objectives.value_loss(v, one, MASK[0], old_predictions=old, clip=0.2)
    value.backward()
    assert value.item() == pytest.approx(loss, abs=1e-12)
    assert float(v.grad) == pytest.approx(slope, abs=1e-12)


def test_value_clipping_with_half_of_what_it_needs_is_refused() -> None:
    with pytest.raises(LearningError, match="give both or none"):
        objectives.value_loss(torch.ones(1), torch.ones(1), MASK[0], clip=0.2)


def test_approximate_kl_is_the_true_divergence_in_expectation() -> None:
    old, new = torch.tensor([0.2, 0.3, 0.5]), torch.tensor([0.3, 0.3, 0.4])
    each = [float(objectives.approximate_kl(new.log()[i].view(1, 1), old.log()[i].view(1, 1), MASK)) for i in range(3)]
    expected = sum(float(p) * k for p, k in zip(old, each, strict=True))
    assert expected == pytest.approx(float((old * (old / new).log()).sum()), abs=1e-6)


def test_ratio_deviation_and_clip_fraction() -> None:
    new, old = torch.tensor([[math.log(1.3), math.log(1.1)]]), torch.zeros(1, 2)
    mask = torch.ones(1, 2, dtype=torch.bool)
    assert float(objectives.ratio_deviation(new, old, mask)) == pytest.approx(0.3, abs=1e-6)
    assert float(objectives.clip_fraction(new, old, mask, clip=0.2)) == pytest.approx(0.5)
