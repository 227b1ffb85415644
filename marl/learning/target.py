"""A lagged copy of a module's parameters: the target network of Q learning, without a second network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from marl.learning import objectives


class Target:
    """The parameters of `module` as they were some steps ago; a LoRA actor's are those of its adapter alone.

    Mnih et al., "Human-level control through deep reinforcement learning", 2015.
    """

    def __init__(self, module: nn.Module) -> None:
        self._online = nn.ParameterList(module.parameters())
        self._lagged = nn.ParameterList([nn.Parameter(p.detach().clone(), requires_grad=False) for p in self._online])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within it the module computes with the lagged parameters; no gradient may be taken."""
        self._swap()
        try:
            with torch.no_grad():
                yield
        finally:
            self._swap()

    def follow(self, rate: float) -> None:
        """Move towards the parameters as they are now; rate 1 copies."""
        objectives.follow(self._lagged, self._online, rate=rate)

    def get_state(self) -> list[Tensor]:
        """Copies, for a checkpoint."""
        return [parameter.detach().clone() for parameter in self._lagged]

    def set_state(self, state: list[Any]) -> None:
        """Take over what `get_state` gave."""
        with torch.no_grad():
            for own, given in zip(self._lagged, state, strict=True):
                own.copy_(torch.as_tensor(given))

    def _swap(self) -> None:
        for own, other in zip(self._lagged, self._online, strict=True):
            own.data, other.data = other.data, own.data
