from __future__ import annotations

import pytest
import torch
from scipy.optimize import root
from scipy.special import softmax
from torch import Tensor

from marl.learning import objectives

ALL = torch.ones(1, 3, dtype=torch.bool)
ROCK_PAPER_SCISSORS = torch.tensor([[0.0, -1.0, 3.0], [1.0, 0.0, -1.0], [-3.0, 1.0, 0.0]], dtype=torch.float64)
"""Rock beats scissors by 3. What the row player gets; the unique equilibrium is (1, 3, 1) / 5 for both."""
EQUILIBRIUM = torch.tensor([[0.2, 0.6, 0.2]], dtype=torch.float64)
START = torch.tensor([[0.7, 0.2, 0.1]], dtype=torch.float64).log(), torch.tensor([[0.1, 0.1, 0.8]]).double().log()


def values_of(row: Tensor, column: Tensor, game: Tensor) -> tuple[Tensor, Tensor]:
    """What each own option is worth against the other's policy, for both players of a zero-sum matrix game."""
    return column.exp() @ game.T, -row.exp() @ game


def play(steps: int, *, temperature: float, step_size: float, rate: float = 0.0) -> tuple[Tensor, Tensor]:
    (row, column), legal = START, ALL
    row_magnet = column_magnet = objectives.uniform_log_probs(legal, dtype=torch.float64)
    for _ in range(steps):
        row_values, column_values = values_of(row, column, ROCK_PAPER_SCISSORS)
        row = objectives.mmd_step(row, row_magnet, row_values, legal, temperature=temperature, step_size=step_size)
        column = objectives.mmd_step(
            column, column_magnet, column_values, legal, temperature=temperature, step_size=step_size
        )
        row_magnet = objectives.moved_magnet(row_magnet, row, legal, rate=rate)
        column_magnet = objectives.moved_magnet(column_magnet, column, legal, rate=rate)
    return row, column


def test_steps_converge_to_the_regularized_equilibrium() -> None:
    """Solved for independently: x = softmax(A y / alpha), y = softmax(-A' x / alpha)."""
    alpha, game = 0.5, ROCK_PAPER_SCISSORS.numpy()

    def gap(xy):
        x, y = xy[:3], xy[3:]
        return [*(x - softmax(game @ y / alpha)), *(y - softmax(-game.T @ x / alpha))]

    solved = root(gap, [1 / 3] * 6, tol=1e-13)
    assert solved.success
    row, column = play(2000, temperature=alpha, step_size=alpha / 3.0**2)
    assert torch.cat([row, column], dim=-1).exp().flatten().tolist() == pytest.approx(solved.x, abs=1e-9)
    assert float((row.exp() - EQUILIBRIUM).abs().max()) > 0.05  # regularized: not the game's own


def test_a_magnet_that_trails_leads_to_the_equilibrium() -> None:
    row, column = play(10_000, temperature=0.5, step_size=0.05, rate=0.01)
    torch.testing.assert_close(row.exp(), EQUILIBRIUM, atol=1e-6, rtol=0)
    torch.testing.assert_close(column.exp(), EQUILIBRIUM, atol=1e-6, rtol=0)


def test_without_a_magnet_policies_move_away_from_the_equilibrium() -> None:
    """What is left then is multiplicative weights, which diverge (Bailey & Piliouras 2018)."""
    far = []
    for steps in (0, 500, 2000):
        policies = play(steps, temperature=0.0, step_size=0.05)
        far.append(sum(float(objectives.exact_kl(EQUILIBRIUM.log(), policy, ALL)) for policy in policies))
    assert far[0] + 0.1 < far[1] < far[2] - 0.1


def test_a_step_is_where_the_loss_has_no_slope_and_is_least() -> None:
    generator = torch.Generator().manual_seed(2)
    legal = torch.tensor([[True, True, True, False], [True, False, True, True]])
    draw = [torch.randn(2, 4, generator=generator, dtype=torch.float64) for _ in range(4)]
    old, magnet = (torch.where(legal, x, -torch.inf).log_softmax(-1) for x in draw[:2])
    values = torch.where(legal, draw[2], 1e9)
    settings = {"temperature": 0.3, "step_size": 0.7}
    best = objectives.mmd_step(old, magnet, values, legal, **settings)

    def loss(logits: Tensor) -> Tensor:
        log_probs = torch.where(legal, logits, -torch.inf).log_softmax(-1)
        return objectives.mmd_loss(log_probs, old, magnet, values, legal, **settings)

    logits = torch.where(legal, best, 0.0).requires_grad_()
    (slope,) = torch.autograd.grad(loss(logits), logits)
    assert float(slope.abs().max()) < 1e-12
    assert (best.exp().masked_select(~legal) == 0.0).all()
    assert best.exp().sum(dim=-1).tolist() == pytest.approx([1.0, 1.0])
    for size in (0.01, 0.1, 1.0):
        assert loss(logits + size * draw[3]).item() > loss(logits).item()


def test_loss_by_hand() -> None:
    """pi = (1/2, 1/2), old = (1/4, 3/4), uniform magnet: KL(pi || old) = ln(4 / 3) / 2, KL(pi || magnet) = 0."""
    legal = torch.ones(1, 2, dtype=torch.bool)
    even = objectives.uniform_log_probs(legal, dtype=torch.float64)
    old = torch.tensor([[0.25, 0.75]], dtype=torch.float64).log()
    values = torch.tensor([[1.0, 5.0]], dtype=torch.float64)
    loss = objectives.mmd_loss(even, old, even, values, legal, temperature=9.0, step_size=0.25)
    assert float(loss) == pytest.approx(4 * 0.5 * torch.tensor(4 / 3).log().item() - 3.0, abs=1e-6)
    drawn = objectives.mmd_loss(old, old, even, values, legal, temperature=2.0, step_size=0.25)
    divergence = 0.25 * torch.tensor(0.5).log().item() + 0.75 * torch.tensor(1.5).log().item()
    assert float(drawn) == pytest.approx(2.0 * divergence - 4.0, abs=1e-6)


def test_one_sampled_option_estimates_all_advantages() -> None:
    old = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    new = torch.tensor([0.3, 0.3, 0.4], dtype=torch.float64)
    advantages = torch.tensor([1.0, -2.0, 4.0], dtype=torch.float64)
    estimates = objectives.importance_weighted(advantages, torch.arange(3), old.log().expand(3, 3))
    torch.testing.assert_close((old.unsqueeze(-1) * estimates).sum(dim=0), advantages)
    torch.testing.assert_close(estimates @ new, new / old * advantages)


def test_uniform_is_uniform_over_legal_options() -> None:
    legal = torch.tensor([[True, False, True], [False, True, False]])
    torch.testing.assert_close(
        objectives.uniform_log_probs(legal).exp(), torch.tensor([[0.5, 0.0, 0.5], [0.0, 1.0, 0.0]])
    )
