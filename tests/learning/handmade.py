"""Turns, messages and episodes made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from marl.types import Episode, Message, Turn


def make_turn(id: int, agent: str, **fields: Any) -> Turn:
    """A choice among two options by policy `p`, unless `fields` say otherwise."""
    values: dict[str, Any] = {
        "id": id,
        "agent": agent,
        "policy": "p",
        "phase": "act",
        "step": 0,
        "round": 0,
        "prompt": "",
        "options": ("a", "b"),
        "text": "a",
        "choice": 0,
        "prompt_ids": (1, 2, 3),
        "token_ids": (4,),
        "option_ids": ((4,), (5, 6)),
        "log_probs": (-0.5,),
        "features": np.array([1.0, 2.0], np.float32),
        "state": np.array([3.0, 4.0, 5.0], np.float32),
        "heard": (),
        "said": (),
        **fields,
    }
    return Turn(**values)


def make_episode(turns: list[Turn], messages: list[Message] | None = None, **fields: Any) -> Episode:
    """An episode of agents x and y with these turns."""
    values: dict[str, Any] = {"scenario": "s", "seed": 0, "index": 0, "agents": ("x", "y"), "situation": "", **fields}
    return Episode(turns=turns, messages=messages or [], **values)


def make_message(sender: str, text: str, **fields: Any) -> Message:
    """A message that x and y hear in the first round."""
    return Message(
        **{"sender": sender, "text": text, "sent": text, "step": 0, "round": 0, "hearers": ("x", "y"), **fields}
    )
