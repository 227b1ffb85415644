"""One of two learners, in a process of its own, for `test_peers`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from marl.errors import LearningError
from marl.learning.peers import Peers


def learn(rank: int, folder: str) -> None:
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
