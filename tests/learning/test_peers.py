"""What several learners add up, by processes of torch.distributed, against numbers made by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from peer_work import learn

from marl.learning.peers import Peers


def test_shares_are_all_rows_once_and_may_be_empty() -> None:
    for rows in (0, 1, 2, 7):
        shares = [Peers(rank, 3).share(rows).tolist() for rank in range(3)]
        assert [row for share in shares for row in share] == list(range(rows))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_alone_nothing_is_added_and_errors_are_the_work_s_own() -> None:
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    Peers().add_up([weight], lambda: (weight**2).sum().backward())
    assert weight.grad is not None
    assert weight.grad.tolist() == [4.0]
    with pytest.raises(ZeroDivisionError):
        Peers().gathered(lambda: 1 // 0)


def test_two_learners_have_the_same_sums_and_the_same_errors(tmp_path: Path) -> None:
    mp.spawn(learn, args=(str(tmp_path),), nprocs=2)
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt")
        assert found == {
            "peers": (rank, 2),
            "aligned": 3.0,
            "sums": [[3.0], [5.0], None],
            "gathered": [0, 10],
            "error": "the second learner has no luck",
        }
