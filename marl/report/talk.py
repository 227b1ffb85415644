"""communication.json for reading: what each arm changes, and what talking and telling the truth are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marl.report import formats
from marl.report.arms import ARMS

GAMES = {"talk_or_mute": "Talk or mute", "truthful_or_lying": "Truth or lies"}


@dataclass(frozen=True)
class ArmRow:
    """One arm: the learned profile's welfare in it, the first arm's minus it, and its equilibria and sinks."""

    label: str
    welfare: str
    gap: str
    interval: str
    equilibria: str
    sinks: str


@dataclass(frozen=True)
class SwitchRow:
    """One switch away from what an agent does by itself, and what it gains by it."""

    game: str
    player: str
    strategy: str
    gain: str
    interval: str


@dataclass(frozen=True)
class TalkView:
    """What the section about communication shows beside its sentences."""

    arms: list[ArmRow]
    switches: list[SwitchRow]
    confidence: float


def talk_view(communication: Mapping[str, Any]) -> TalkView:
    """Arrange communication.json."""
    record = communication["arms"]
    arms = []
    for arm, analysis in record["arms"].items():
        difference = record["differences"].get(arm)
        gap = difference["welfare"] if difference else None
        kept = f", {len(difference['pure']['kept'])} of them kept" if difference else ""
        arms.append(
            ArmRow(
                ARMS.get(arm, arm),
                formats.number(sum(analysis["learned"]["payoffs"])),
                formats.signed(gap["mean"]) if gap else "",
                formats.span(gap["low"], gap["high"]) if gap else "",
                f"{len(analysis['pure'])} pure{kept}; {len(analysis['mixed'])} mixed",
                formats.count(len(analysis["sinks"])),
            )
        )
    switches = [
        SwitchRow(
            GAMES.get(kind, kind),
            one["player"],
            one["strategy"],
            formats.signed(one["gain"]),
            formats.span(one["low"], one["high"]),
        )
        for kind, game in communication["meta_games"].items()
        for one in game["switches"]
    ]
    return TalkView(arms, switches, record["confidence"])
