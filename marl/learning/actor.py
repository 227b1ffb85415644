"""The decentralized actor: a policy as an RLModule, whatever decides in it. What the learner asks of every actor."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModule
from ray.rllib.core.rl_module.torch import TorchRLModule
from torch import Tensor, nn

from marl.errors import LearningError
from marl.learning.features import Columns
from marl.learning.peers import Peers
from marl.models import RowLogProbs
from marl.policies import LanguageModelPolicy, NetworkPolicy
from marl.policies.bases import Bases

BASES = "bases"
"""Key of a module's config under which the actors of one MultiRLModule find each other's models."""

Rows = TypeVar("Rows", bound=Sized)
"""Recorded decisions in the form that an actor reads; what they are is the actor's own affair."""


class ActorModule(TorchRLModule, Generic[Rows]):
    """An actor. Its parameters are what is optimized, put into checkpoints and sent to env runners.

    `policy` decides with the very weights that are trained. `forward_train` takes {"rows": rows of T decisions} and
    returns log_probs, entropy, mask, each [T, K]: the pass that acting uses, at acting's temperature.
    """

    policy: LanguageModelPolicy | NetworkPolicy
    precision = "float32"
    """What its matrix products are computed in."""

    @abstractmethod
    def rows(self, columns: Columns) -> Rows:
        """The T decisions of a policy's columns."""

    @abstractmethod
    def take(self, rows: Rows, index: Tensor) -> Rows:
        """The rows at `index` [n] int64, in that order."""

    @abstractmethod
    def join(self, parts: Sequence[Rows]) -> Rows:
        """Rows of actors with one `pass_key`, one after another."""

    @abstractmethod
    def pieces(self, rows: Rows, tokens: int) -> list[Tensor]:
        """The numbers of `rows` in pieces of about `tokens` tokens each, int64, for gradients that are added up."""

    def minibatches(self, rows: Rows, count: int, rng: np.random.Generator) -> list[np.ndarray]:
        """The numbers of `rows` in `count` parts of like size, drawn anew; some are empty where there are too few."""
        return np.array_split(rng.permutation(len(rows)), count)

    @abstractmethod
    def read(self, rows: Rows) -> RowLogProbs:
        """Log-probabilities and entropies of rows as the weights are now, in the way of this policy."""

    def read_reference(self, rows: Rows) -> RowLogProbs:
        """The same under the reference policy, without gradient. Raises LearningError where there is none in memory."""
        raise LearningError(
            f"policy {self.policy.name!r} has no reference in memory; that is the base of a language model with lora"
        )

    def explore(self, on: bool) -> None:
        """Explore from now on, or not. Nothing to do for a policy that is a distribution: what it draws is its play."""

    def pass_key(self) -> Hashable:
        """Rows of actors with the same key can go through one pass of `read`."""
        return id(self)

    def _forward(self, batch: dict[str, Any], **_: Any) -> dict[str, Tensor]:
        result = self.read(batch["rows"])
        return {"log_probs": result.log_probs, "entropy": result.entropy, "mask": result.mask}


class Modules(MultiRLModule):
    """The actors and, in training, the critic. They share the bases that they name."""

    def setup(self) -> None:
        """Build all modules."""
        bases = Bases()
        for spec in self.rl_module_specs.values():
            spec.model_config = {**spec.model_config, BASES: bases}
        super().setup()
        for spec in self.rl_module_specs.values():
            spec.model_config.pop(BASES, None)


def recorded(columns: Columns) -> tuple[Tensor, Tensor]:
    """Log-probabilities at the time of acting, [T, C] float32, and the mask of real ones, [T, C] bool."""
    log_probs = torch.as_tensor(columns["log_probs"])
    mask = torch.arange(log_probs.shape[1]) < torch.as_tensor(columns["log_prob_length"]).unsqueeze(-1)
    return log_probs, mask


def read_all(
    actor: ActorModule[Rows],
    rows: Rows,
    tokens: int,
    read: Callable[[Rows], RowLogProbs] | None = None,
    *,
    peers: Peers | None = None,
) -> RowLogProbs:
    """All T rows by `actor.read`, or `read`, about `tokens` tokens at a time and without gradient.

    `peers` read a share each, and each gets the whole.
    """
    peers = peers or Peers()
    own = actor.take(rows, peers.share(len(rows)))
    parts = [part for part in peers.gathered(lambda: _read_share(actor, own, tokens, read)) if part is not None]
    return parts[0] if len(parts) == 1 else _joined(parts)


@torch.no_grad()
def _read_share(
    actor: ActorModule[Rows], rows: Rows, tokens: int, read: Callable[[Rows], RowLogProbs] | None
) -> RowLogProbs | None:
    """None where there is no row."""
    pieces = actor.pieces(rows, tokens) if len(rows) else []
    if not pieces:
        return None
    whole = _joined([(read or actor.read)(actor.take(rows, piece)) for piece in pieces])
    order = torch.cat(pieces).argsort()
    return RowLogProbs(whole.log_probs[order], whole.mask[order], whole.entropy[order], whole.table[order])


def _joined(parts: Sequence[RowLogProbs]) -> RowLogProbs:
    log_probs, mask, entropy = (
        _stacked([getattr(part, name) for part in parts], 0.0) for name in ("log_probs", "mask", "entropy")
    )
    return RowLogProbs(log_probs, mask, entropy, _stacked([part.table for part in parts], -torch.inf))


def _stacked(parts: Sequence[Tensor], padding: float) -> Tensor:
    width = max(part.shape[1] for part in parts)
    return torch.cat([nn.functional.pad(part, (0, width - part.shape[1]), value=padding) for part in parts])
