"""Observation to prompt text, and reply to action or `ParseFailure` (never a guess)."""

from marl.text.face import TextFace, text_face
from marl.text.prompt import act_prompt, talk_prompt
from marl.text.reply import parse_reply
from marl.text.vector import flat_observation, flat_size, flattener

__all__ = [
    "TextFace",
    "act_prompt",
    "flat_observation",
    "flat_size",
    "flattener",
    "parse_reply",
    "talk_prompt",
    "text_face",
]
