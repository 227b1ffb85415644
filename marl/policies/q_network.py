"""A small network whose outputs are Q values: it takes the best option, or explores as it is told to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from marl.errors import ModelError
from marl.policies.network import NetworkPolicy

if TYPE_CHECKING:
    from torch import Tensor


class Explore(Protocol):
    """The distribution that a value-based policy draws from while it explores."""

    def __call__(self, q: Tensor, legal: Tensor, read: Sequence[Any], options: Sequence[Sequence[Any]]) -> Tensor:
        """Log-probabilities [T, A] from Q values and legal options [T, A]; row t was read from `read[t]`, and option a
        is `options[t][a]`: numbers both, by which a situation is known again.
        """
        ...


def behavior(
    q: Tensor, legal: Tensor, explore: Explore | None, read: Sequence[Any], options: Sequence[Sequence[Any]]
) -> np.ndarray:
    """Log-probabilities [T, A] of what is drawn: all on the best legal option, the first of equals, or by `explore`."""
    import torch

    if explore is not None:
        return explore(q, legal, read, options).cpu().numpy()
    best = q.masked_fill(~legal, -torch.inf).argmax(dim=-1, keepdim=True)
    return torch.full_like(q, -torch.inf).scatter(-1, best, 0.0).cpu().numpy()


class QNetworkPolicy(NetworkPolicy):
    """Takes the legal output of the largest Q value; with `explore` it draws from what that gives.

    Each draw comes from the view's own stream; recorded log-probabilities are those of the distribution drawn from.
    """

    explore: Explore | None = None

    def log_probs(self, inputs: np.ndarray, legal: np.ndarray) -> np.ndarray:
        """[T, A] log-probabilities of what is drawn, for inputs [T, F] and legal outputs [T, A]."""
        import torch

        device = self.network.head.weight.device
        with torch.inference_mode():
            q = self.network.values(torch.from_numpy(inputs).to(device))
            if torch.isnan(q).any():
                raise ModelError(f"the network of policy {self.name!r} gives NaN; train it with a smaller training.lr")
            outputs = [[(number,) for number in range(legal.shape[1])]] * len(legal)
            explore = None if self.greedy else self.explore
            return behavior(q, torch.from_numpy(legal).to(device), explore, list(inputs), outputs)
