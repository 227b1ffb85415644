from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from marl.learning import objectives

AGENTS, WIDTH, STATE = 3, 4, 5
EVERYBODY = torch.ones(1, AGENTS, dtype=torch.bool)


def numbers(*shape: int) -> st.SearchStrategy[Tensor]:
    return arrays(np.float64, shape, elements=st.floats(-3, 3)).map(torch.as_tensor)


HYPERNETWORK = st.tuples(numbers(1, AGENTS, WIDTH), numbers(1, WIDTH), numbers(1, WIDTH), numbers(1))


@pytest.fixture
def mixer() -> objectives.QMixer:
    torch.manual_seed(3)
    return objectives.QMixer(STATE, AGENTS, WIDTH).double()


def test_vdn_sums_those_present() -> None:
    values = torch.tensor([[1.0, 2.0, 4.0], [1.0, 2.0, float("nan")]], dtype=torch.float64, requires_grad=True)
    present = torch.tensor([[True, True, True], [True, True, False]])
    total = objectives.vdn(values, present)
    assert total.tolist() == [7.0, 3.0]
    total.sum().backward()
    assert values.grad.tolist() == [[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]]


def test_qmix_by_hand() -> None:
    """Two hidden units, one on each side of elu's corner; the signs of the weights do not count."""
    total = objectives.qmix(
        torch.tensor([[1.0, 2.0]], dtype=torch.float64),
        torch.tensor([[True, True]]),
        torch.tensor([[[1.0, -0.5], [-1.0, 0.25]]], dtype=torch.float64),
        torch.tensor([[0.5, -3.0]], dtype=torch.float64),
        torch.tensor([[-2.0, 1.0]], dtype=torch.float64),
        torch.tensor([10.0], dtype=torch.float64),
    )
    assert float(total) == pytest.approx(2.0 * (1 + 2 + 0.5) + (math.exp(0.5 + 0.5 - 3.0) - 1) + 10.0, abs=1e-12)


@given(numbers(1, AGENTS), HYPERNETWORK, st.integers(0, AGENTS - 1), st.floats(0, 5))
def test_qmix_is_monotonic_in_every_agent(
    values: Tensor, hypernetwork: tuple[Tensor, Tensor, Tensor, Tensor], agent: int, more: float
) -> None:
    values = values.clone().requires_grad_()
    total = objectives.qmix(values, EVERYBODY, *hypernetwork)
    (slope,) = torch.autograd.grad(total.sum(), values)
    assert (slope >= 0).all()
    raised = values.detach() + more * torch.eye(AGENTS, dtype=torch.float64)[agent]
    assert float(objectives.qmix(raised, EVERYBODY, *hypernetwork)) >= total.item() - 1e-9


@given(numbers(4, AGENTS), numbers(4, STATE))
def test_the_mixing_network_is_monotonic_in_every_state(values: Tensor, state: Tensor) -> None:
    torch.manual_seed(3)
    mixer = objectives.QMixer(STATE, AGENTS, WIDTH).double()
    values = values.clone().requires_grad_()
    total = mixer(values, torch.ones(4, AGENTS, dtype=torch.bool), state)
    assert total.shape == (4,)
    (slope,) = torch.autograd.grad(total.sum(), values)
    assert (slope >= 0).all()


def test_best_own_choices_are_the_best_joint_choice(mixer: objectives.QMixer) -> None:
    """Individual-global-max, by going through all 27 joint choices."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        q = torch.randn(AGENTS, 3, generator=generator, dtype=torch.float64)
        state = torch.randn(1, STATE, generator=generator, dtype=torch.float64).expand(27, STATE)
        joint = list(itertools.product(range(3), repeat=AGENTS))
        values = torch.stack([torch.stack([q[i, c] for i, c in enumerate(choice)]) for choice in joint])
        total = mixer(values, EVERYBODY.expand(27, AGENTS), state)
        own = joint.index(tuple(q.argmax(dim=-1).tolist()))
        assert total[own] == total.max()


def test_absent_agents_add_nothing_whatever_they_hold(mixer: objectives.QMixer) -> None:
    state = torch.ones(1, STATE, dtype=torch.float64)
    present = torch.tensor([[True, False, True]])
    totals = []
    for held in (0.0, 100.0, float("nan")):
        values = torch.tensor([[0.3, held, -0.2]], dtype=torch.float64, requires_grad=True)
        total = mixer(values, present, state)
        (slope,) = torch.autograd.grad(total.sum(), [values], retain_graph=True)
        assert slope[0, 1] == 0.0
        (weights,) = torch.autograd.grad(total.sum(), [mixer.first_weight.weight])
        assert torch.isfinite(weights).all()
        totals.append(total.item())
    assert len(set(totals)) == 1


def test_the_state_changes_how_values_mix(mixer: objectives.QMixer) -> None:
    values = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64)
    states = torch.eye(STATE, dtype=torch.float64)
    totals = mixer(values.expand(STATE, AGENTS), EVERYBODY.expand(STATE, AGENTS), states)
    assert len(set(totals.tolist())) == STATE
