"""Rules, private view, heard messages and the question, as one prompt.

The reply continues the prompt after one space; free text ends at the end of the line.
"""

from __future__ import annotations

from collections.abc import Sequence

from marl.types import Message


def _context(rules: str, description: str, inbox: Sequence[Message]) -> str:
    lines = [rules, description, *(f"{message.sender}: {message.text}" for message in inbox)]
    return "\n".join(line for line in lines if line)


def talk_prompt(rules: str, description: str, inbox: Sequence[Message], vocabulary: Sequence[str] = ()) -> str:
    """The prompt of a talk turn; `vocabulary` lists the only messages that may be sent, where the channel has one."""
    offer = f"\nSay one of: {', '.join(vocabulary)}" if vocabulary else ""
    return f"{_context(rules, description, inbox)}{offer}\nSay:"


def act_prompt(rules: str, description: str, inbox: Sequence[Message], options: Sequence[str]) -> str:
    """The prompt of an act turn over the legal `options`."""
    return f"{_context(rules, description, inbox)}\nChoose: {', '.join(options)}\nAnswer:"
