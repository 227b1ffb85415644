"""The channel: who may say what to whom, around any PettingZoo env."""

from marl.channel.conversation import Conversation
from marl.channel.delivery import Delivery
from marl.channel.interventions import Intervention, Off, Scrambled, Untouched, intervention, messages_by_sender
from marl.channel.message_space import MessageSpace
from marl.channel.topology import topology
from marl.channel.wrapper import TalkAECEnv, TalkParallelEnv, wrap_channel

__all__ = [
    "Conversation",
    "Delivery",
    "Intervention",
    "MessageSpace",
    "Off",
    "Scrambled",
    "TalkAECEnv",
    "TalkParallelEnv",
    "Untouched",
    "intervention",
    "messages_by_sender",
    "topology",
    "wrap_channel",
]
