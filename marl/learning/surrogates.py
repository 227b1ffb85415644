"""What an actor minimizes beside its entropy bonus: one function for each loss that a preset may name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from marl.errors import LearningError
from marl.learning import objectives
from marl.learning.gradients import Given, Part
from marl.training_settings import TrainingSettings


def ppo(part: Part, given: Given, training: TrainingSettings) -> Tensor:
    """PPO's clipped surrogate; see `objectives.ppo_clip_loss`."""
    old = part["old_log_probs"]
    return objectives.ppo_clip_loss(
        given.log_probs, old, part["advantage"], given.mask, clip=training.clip, credit=training.credit
    )


def reinforce(part: Part, given: Given, training: TrainingSettings) -> Tensor:
    """The plain policy gradient; see `objectives.reinforce_loss`."""
    return objectives.reinforce_loss(given.log_probs, part["advantage"], given.mask)


def mirror_descent(part: Part, given: Given, training: TrainingSettings) -> Tensor:
    """Magnetic mirror descent towards uniform play, from one sampled option a turn; see `objectives.mmd_loss`.

    Raises LearningError for free text, whose options cannot be listed.
    """
    old = as_wide(part["old_table"], given.table.shape[-1])
    legal = old.isfinite()
    if not bool(legal.any(-1).all()):
        raise LearningError(
            "mirror descent weighs all options of a turn, and free text has none; give channel.vocabulary, or set "
            "training.algorithm: mappo"
        )
    settings = training.mirror_descent
    return objectives.mmd_loss(
        given.table,
        old,
        objectives.uniform_log_probs(legal, dtype=old.dtype),
        objectives.importance_weighted(part["advantage"], part["choice"], old),
        legal,
        temperature=settings.temperature,
        step_size=settings.step_size,
    )


def as_wide(table: Tensor, width: int) -> Tensor:
    """[T, O] -> [T, width], -inf behind: the rows of a pass have as many places as its longest list of options."""
    return nn.functional.pad(table, (0, width - table.shape[-1]), value=-torch.inf)


SURROGATES: dict[str, Callable[[Part, Given, TrainingSettings], Tensor]] = {
    "ppo": ppo,
    "reinforce": reinforce,
    "mirror_descent": mirror_descent,
}
"""By the names of `marl.learning.presets.Surrogate`."""
