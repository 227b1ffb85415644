from __future__ import annotations

import pytest
import torch
from torch import nn

from marl.learning.target import Target


def linear(value: float) -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, value)
    return layer


def test_it_lags_until_it_follows() -> None:
    layer, x = linear(2.0), torch.ones(1, 1)
    target = Target(layer)
    with torch.no_grad():
        layer.weight.fill_(6.0)
    with target.in_place():
        assert layer(x).item() == 2.0
        assert not layer(x).requires_grad
    assert layer(x).item() == 6.0
    assert layer(x).requires_grad
    target.follow(0.25)
    with target.in_place():
        assert layer(x).item() == 3.0
    target.follow(1.0)
    with target.in_place():
        assert layer(x).item() == 6.0


def test_an_error_within_leaves_the_module_with_its_own_weights() -> None:
    layer = linear(2.0)
    target = Target(layer)
    with torch.no_grad():
        layer.weight.fill_(6.0)
    with pytest.raises(RuntimeError, match="inside"), target.in_place():
        raise RuntimeError("inside")
    assert layer.weight.item() == 6.0


def test_the_optimizers_parameters_stay_the_same_objects() -> None:
    layer = linear(2.0)
    target, optimizer = Target(layer), torch.optim.SGD(layer.parameters(), lr=1.0)
    with target.in_place():
        pass
    layer(torch.ones(1, 1)).sum().backward()
    optimizer.step()
    assert layer.weight.item() == 1.0
    with target.in_place():
        assert layer.weight.item() == 2.0


def test_its_state_is_its_own() -> None:
    layer = linear(2.0)
    target = Target(layer)
    state = target.get_state()
    with torch.no_grad():
        layer.weight.fill_(6.0)
    target.follow(1.0)
    assert state[0].item() == 2.0
    target.set_state(state)
    with target.in_place():
        assert layer.weight.item() == 2.0
