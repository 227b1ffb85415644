"""One learner among several that train the same modules in step: which rows it reads, and what all of them add up.

All learners have all rows of an iteration, which are ids and numbers, and make the same steps from the same sums. What
costs time is split, the passes through the modules: each learner reads its share of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from marl.errors import LearningError, ParleyError

T = TypeVar("T")


@dataclass(frozen=True)
class Peers:
    """Learner number `rank` of `count`, which are one process group of torch.distributed where they are several."""

    rank: int = 0
    count: int = 1

    @classmethod
    def joined(cls, learners: int) -> Peers:
        """In the process group that RLlib made for `learners` remote ones; 0 is a learner that works alone."""
        return cls(dist.get_rank(), dist.get_world_size()) if learners > 1 else cls()

    def share(self, rows: int) -> Tensor:
        """The numbers of those of `rows` rows that this learner reads, [n] int64; n is 0 where there are too few."""
        return torch.tensor_split(torch.arange(rows), self.count)[self.rank]

    def align(self, module: nn.Module) -> None:
        """Give all learners the first one's parameters and buffers."""
        for tensor in (*module.parameters(), *module.buffers()) if self.count > 1 else ():
            dist.broadcast(tensor.data, 0)

    def gathered(self, work: Callable[[], T]) -> list[T]:
        """Each learner's result of its `work`, by rank. Where one fails, all raise LearningError: none waits for it."""
        if self.count == 1:
            return [work()]
        mine: tuple[T | None, str | None]
        try:
            mine = work(), None
        except ParleyError as error:
            mine = None, str(error)
        found: list[Any] = [None] * self.count
        dist.all_gather_object(found, mine)
        faults = [fault for _, fault in found if fault is not None]
        if faults:
            raise LearningError(faults[0])
        return [result for result, _ in found]

    def add_up(self, parameters: Iterable[nn.Parameter], work: Callable[[], None]) -> None:
        """Let `work` add this learner's part of the gradient of `parameters`, then give all learners the sum.

        A parameter that no learner's part has reached keeps no gradient. Where one learner's work fails, all raise
        LearningError.
        """
        if self.count == 1:
            work()
            return
        self.gathered(work)
        wanted = list(parameters)
        reached = torch.tensor([float(parameter.grad is not None) for parameter in wanted], device=wanted[0].device)
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in wanted]
        flat = torch.cat([reached, *(part.flatten() for part in parts)])
        dist.all_reduce(flat)
        sums = flat[len(wanted) :].split([parameter.numel() for parameter in wanted])
        for parameter, count, total in zip(wanted, flat[: len(wanted)].tolist(), sums, strict=True):
            parameter.grad = total.view_as(parameter).clone() if count else None
