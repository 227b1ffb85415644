"""A cost for leaving the reference policy, which is the base model without its adapter; its weight may follow a target.

Ziegler et al., "Fine-Tuning Language Models from Human Preferences", 2019, sec. 2.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from marl.learning import objectives
from marl.learning.actor import ActorModule, Rows, read_all
from marl.learning.gradients import Given, Part
from marl.learning.peers import Peers
from marl.learning.surrogates import as_wide
from marl.training_settings import ReferenceSettings


class Reference:
    """`coefficient` is what a nat of divergence costs now."""

    def __init__(self, settings: ReferenceSettings) -> None:
        self.settings = settings
        self.coefficient = settings.coefficient

    def columns(
        self, actor: ActorModule[Rows], rows: Rows, width: int, tokens: int, peers: Peers | None = None
    ) -> Part:
        """What the reference says of T rows, read about `tokens` tokens at a time: reference_log_probs [T, width] and
        reference_table [T, O]. Raises LearningError where the actor has no reference in memory.
        """
        result = read_all(actor, rows, tokens, actor.read_reference, peers=peers)
        log_probs = nn.functional.pad(result.log_probs, (0, width - result.log_probs.shape[1]))
        return {"reference_log_probs": log_probs, "reference_table": result.table}

    def adapt(self, measured: float) -> None:
        """Move the coefficient after a divergence of `measured` nats a turn; nothing without a target."""
        if self.settings.target is not None:
            self.coefficient = objectives.adapted_coefficient(self.coefficient, measured, self.settings.target)


def divergence(part: Part, given: Given) -> Tensor:
    """Mean over turns of KL(policy || reference), in nats: exact for a choice, estimated by its sample for a text."""
    table = as_wide(part["reference_table"], given.table.shape[-1])
    legal = table.isfinite()
    reference = part["reference_log_probs"][:, : given.mask.shape[1]]
    said = objectives.sum_over_tokens(objectives.reference_kl(given.log_probs, reference, given.mask), given.mask)
    return torch.where(legal.any(-1), objectives.exact_kl(given.table, table, legal), said).mean()
