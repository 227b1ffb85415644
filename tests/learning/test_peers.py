"""What several learners add up, by processes of torch.distributed, against numbers made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from marl.errors import LearningError
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


def _work(rank: int, folder: str) -> None:
    """One of two learners; what it found is left in `folder`."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    peers = Peers.joined(2)
    found: dict[str, Any] = {"peers": (peers.rank, peers.count)}
    model = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(3.0 + rank)
    peers.align(model)
    found["aligned"] = float(model.weight)
    both, second, none = (torch.nn.Parameter(torch.tensor([1.0])) for _ in range(3))

    def add() -> None:
        both.grad = torch.tensor([1.0 + rank])
        if rank == 1:
            second.grad = torch.tensor([5.0])

    peers.add_up([both, second, none], add)
    found["sums"] = [None if p.grad is None else p.grad.tolist() for p in (both, second, none)]
    found["gathered"] = peers.gathered(lambda: rank * 10)
    try:
        peers.gathered(lambda: _fail_on(rank))
    except LearningError as error:
        found["error"] = str(error)
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def _fail_on(rank: int) -> int:
    if rank == 1:
        raise LearningError("the second learner has no luck")
    return rank


def test_two_learners_have_the_same_sums_and_the_same_errors(tmp_path: Path) -> None:
    mp.spawn(_work, args=(str(tmp_path),), nprocs=2)
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt")
        assert found == {
            "peers": (rank, 2),
            "aligned": 3.0,
            "sums": [[3.0], [5.0], None],
            "gathered": [0, 10],
            "error": "the second learner has no luck",
        }
