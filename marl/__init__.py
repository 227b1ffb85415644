"""Parley: language-model agents that talk, train and are studied in PettingZoo games.

Start at `marl.experiment`: run, train, evaluate, analyze, report, play. Importing this package loads neither torch
nor ray.
"""

from __future__ import annotations

from marl.types import Decision, Episode, Message, ParseFailure, Turn, View

__version__ = "0.1.0"

__all__ = ["Decision", "Episode", "Message", "ParseFailure", "Turn", "View"]
