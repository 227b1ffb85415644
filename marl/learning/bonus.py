"""What an actor's loss pays beside advantages: spread of actions and messages, and messages that tell."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from marl.errors import LearningError
from marl.learning import objectives
from marl.learning.gradients import Given, Part, Shares
from marl.learning.surrogates import as_wide
from marl.training_settings import TrainingSettings

Log = Callable[[str, Tensor, float], None]
"""(name, value, the share of the minibatch that it is a mean over)."""


def bonus(part: Part, given: Given, training: TrainingSettings, iteration: int, shares: Shares, log: Log) -> Tensor:
    """The part's share of all bonuses, by the coefficients of the 0-based `iteration`."""

    def weight(ends: tuple[float, float]) -> float:
        return objectives.scheduled(ends, iteration, training.iterations)

    total = given.log_probs.new_zeros(())
    for kind, turns, share, ends in (
        ("action", ~part["talk"], shares.act, training.action_entropy),
        ("message", part["talk"], shares.talk, training.message_entropy),
    ):
        if bool(turns.any()):
            spread = objectives.entropy_bonus(given.entropy, given.mask, turns)
            log(f"entropy_{kind}", spread, share)
            total = total + weight(ends) * share * spread
    if "average_message" in part and bool(part["talk"].any()):
        average = as_wide(part["average_message"], given.table.shape[-1])
        told = objectives.signaling_bonus(given.table, average, part["talk"])
        log("signaling", told, shares.talk)
        total = total + weight(training.signaling) * shares.talk * told
    return total


def average_message(table: Tensor) -> Tensor:
    """`objectives.average_message` of turns of talk, [O] from `table` [T, O].

    Raises LearningError for free text, whose probabilities cannot be listed.
    """
    if not bool(table.isfinite().any(dim=-1).all()):
        raise LearningError(
            "training.signaling compares all that could have been said, and free text cannot be listed; give "
            "channel.vocabulary, or set training.signaling: [0, 0]"
        )
    return objectives.average_message(table)
