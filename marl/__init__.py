"""Parley: language-model agents that talk, train and are studied in PettingZoo games.

Importing this package loads neither torch nor ray; the public functions import what they need when called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marl.types import Decision, Episode, Message, ParseFailure, Turn, View

if TYPE_CHECKING:
    from marl.experiment import analyze, evaluate, play, report, run, train
    from marl.scenario import Scenario, load_scenario

__version__ = "0.1.0"

__all__ = [
    "Decision",
    "Episode",
    "Message",
    "ParseFailure",
    "Scenario",
    "Turn",
    "View",
    "analyze",
    "evaluate",
    "load_scenario",
    "play",
    "report",
    "run",
    "train",
]

_LAZY = {
    "analyze": "marl.experiment",
    "evaluate": "marl.experiment",
    "play": "marl.experiment",
    "report": "marl.experiment",
    "run": "marl.experiment",
    "train": "marl.experiment",
    "Scenario": "marl.scenario",
    "load_scenario": "marl.scenario",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'marl' has no attribute {name!r}")
