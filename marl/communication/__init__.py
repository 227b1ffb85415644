"""What messages say and what they cause: information, lexicon, convention, audit and verdict."""

from marl.communication.audit import audit, describe_senders
from marl.communication.convention import Convention, name_convention, pair_accuracy, pooled_groups
from marl.communication.information import MutualInformation, mutual_information
from marl.communication.lexicon import lexicon, senders, signal
from marl.communication.lying import Lie, lie
from marl.communication.sentence import pointer, resolve, sentence
from marl.communication.verdict import verdict

__all__ = [
    "Convention",
    "Lie",
    "MutualInformation",
    "audit",
    "describe_senders",
    "lexicon",
    "lie",
    "mutual_information",
    "name_convention",
    "pair_accuracy",
    "pointer",
    "pooled_groups",
    "resolve",
    "senders",
    "sentence",
    "signal",
    "verdict",
]
