from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from marl.learning import objectives


@given(
    st.lists(st.tuples(st.integers(0, 4), st.floats(-10, 10)), min_size=1, max_size=30),
    st.booleans(),
)
def test_advantages_sum_to_zero_in_each_group(rows: list[tuple[int, float]], scale: bool) -> None:
    groups = torch.tensor([group for group, _ in rows])
    returns = torch.tensor([value for _, value in rows], dtype=torch.float64)
    advantages = objectives.group_advantages(returns, groups, scale=scale)
    for group in groups.unique():
        own, theirs = advantages[groups == group], returns[groups == group]
        assert float(own.sum()) == pytest.approx(0.0, abs=1e-6)
        centered = theirs - theirs.mean()
        spread = theirs.std(unbiased=False)
        if not scale:
            torch.testing.assert_close(own, centered)
        elif float(spread) > 1e-6:
            torch.testing.assert_close(own, centered / spread)


def test_by_hand() -> None:
    returns = torch.tensor([1.0, 10.0, 3.0, 10.0, 7.0])
    groups = torch.tensor([0, 2, 0, 2, 1])
    assert objectives.group_advantages(returns, groups).tolist() == [-1.0, 0.0, 1.0, 0.0, 0.0]
    assert objectives.group_advantages(10 * returns, groups, scale=True).tolist() == [-1.0, 0.0, 1.0, 0.0, 0.0]
    assert objectives.group_advantages(returns[:0], groups[:0]).tolist() == []


@pytest.mark.parametrize("scale", [False, True])
def test_a_group_of_equal_returns_has_no_advantage_at_all(scale: bool) -> None:
    """The sum of a hundred times 1000.1 is off by more than its rounding, and no scale may blow that up."""
    returns = torch.cat([torch.full((100,), 1000.1), torch.tensor([1.0, 3.0])])
    groups = torch.tensor([0] * 100 + [1] * 2)
    assert objectives.group_advantages(returns, groups, scale=scale).tolist() == [0.0] * 100 + [-1.0, 1.0]


def test_groups_are_situation_turn_and_agent() -> None:
    situation = torch.tensor([7, 7, 7, 7, 3, 7])
    turn = torch.tensor([0, 0, 1, 0, 0, 0])
    agent = torch.tensor([0, 1, 0, 0, 0, 1])
    ids = objectives.group_ids(situation, turn, agent).tolist()
    keys = list(zip(situation.tolist(), turn.tolist(), agent.tolist(), strict=True))
    assert sorted(set(ids)) == [0, 1, 2, 3]
    assert all((ids[i] == ids[j]) == (keys[i] == keys[j]) for i in range(6) for j in range(6))
