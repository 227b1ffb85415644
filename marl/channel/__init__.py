"""The channel: who may say what to whom, around any PettingZoo env."""

from marl.channel.conversation import Conversation
from marl.channel.delivery import Delivery
from marl.channel.interventions import (
    BySender,
    Deaf,
    Intervention,
    Off,
    Replaced,
    Scrambled,
    Untouched,
    intervention,
    messages_by_sender,
)
from marl.channel.message_space import MessageSpace
from marl.channel.topology import topology
from marl.channel.wrapper import TalkAECEnv, TalkParallelEnv, wrap_channel

__all__ = [
    "BySender",
    "Conversation",
    "Deaf",
    "Delivery",
    "Intervention",
    "MessageSpace",
    "Off",
    "Replaced",
    "Scrambled",
    "TalkAECEnv",
    "TalkParallelEnv",
    "Untouched",
    "intervention",
    "messages_by_sender",
    "topology",
    "wrap_channel",
]
