"""What evaluation.json says about the arms, arranged for reading: tiles, bars, differences and behavior."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from marl.report import formats
from marl.report.figures import payoff_bar, payoff_scale, tile_strip

ARMS = {
    "normal": "with the channel",
    "off": "channel switched off",
    "scrambled": "messages scrambled",
    "deaf": "messages not heard",
    "silent_twin": "trained without the channel",
    "untrained": "before training",
}
MOST_SITUATIONS = 12
MOST_PLAYS = 3


@dataclass(frozen=True)
class ArmView:
    """One arm: its raw record and its drawings. `style` is the style class that gives it its color and mark."""

    key: str
    style: str
    label: str
    record: Mapping[str, Any]
    bar: Markup
    strip: Markup


@dataclass(frozen=True)
class Difference:
    """How much an arm falls short of the one with the channel."""

    label: str
    mean: str
    interval: str
    p: str
    test: str
    n: str


@dataclass(frozen=True)
class Behavior:
    """One situation in one arm: mean payoff and the most frequent joint plays with their shares."""

    mean: str
    n: str
    plays: list[tuple[str, float]]
    rest: float


def arm_labels(evaluation: Mapping[str, Any] | None) -> dict[str, str]:
    """Each arm's name in words: short ones for the usual arms, the evaluation's own label for others."""
    arms = evaluation["arms"] if evaluation else {}
    return {**{key: arm["label"] for key, arm in arms.items()}, **ARMS}


def references_of(evaluation: Mapping[str, Any] | None) -> list[tuple[str, str, float]]:
    """The known best payoffs as (style class, label, value), without those that the game does not state.

    Where messages cannot help, the two are one.
    """
    if not evaluation:
        return []
    if formats.is_number(evaluation["optimum"]) and evaluation["optimum"] == evaluation["no_communication"]:
        return [("optimum", "best possible, with messages or without", evaluation["optimum"])]
    found = (("optimum", "best possible", "optimum"), ("bound", "best without messages", "no_communication"))
    return [(key, label, evaluation[name]) for key, label, name in found if formats.is_number(evaluation.get(name))]


def arm_views(evaluation: Mapping[str, Any]) -> dict[str, ArmView]:
    """Every measured arm in the usual order, all drawn on one axis."""
    labels = arm_labels(evaluation)
    arms = {key: arm for key, arm in evaluation["arms"].items() if formats.is_number(arm.get("mean"))}
    references = [(key, value) for key, _, value in references_of(evaluation)]
    scale = payoff_scale(list(arms.values()), [value for _, value in references])
    order = [key for key in ARMS if key in arms] + [key for key in arms if key not in ARMS]
    views = {}
    for key in order:
        style = key if key in ARMS else "other"
        bar = payoff_bar(style, labels[key], arms[key], scale, references)
        strip = tile_strip(style, arms[key], scale, references)
        views[key] = ArmView(key, style, labels[key], arms[key], bar, strip)
    return views


def tiles_of(views: Mapping[str, ArmView]) -> list[ArmView]:
    """The headline arms: with the channel, without it (trained so where a silent twin exists), scrambled, untrained."""
    without = "silent_twin" if "silent_twin" in views else "off"
    return [views[key] for key in ("normal", without, "scrambled", "untrained") if key in views]


def differences_of(evaluation: Mapping[str, Any]) -> list[Difference]:
    """With the channel minus each other arm, in the arms' order."""
    labels = arm_labels(evaluation)
    rows = []
    for name, record in (evaluation.get("differences") or {}).items():
        second = name.removeprefix("normal-")
        rows.append(
            Difference(
                labels.get(second, second),
                formats.signed(record["mean"]),
                formats.span(record["low"], record["high"]),
                formats.p_value(record["p"]),
                str(record.get("test", "")),
                formats.count(record.get("n")),
            )
        )
    return rows


def behavior_table(
    evaluation: Mapping[str, Any], agents: Sequence[str]
) -> tuple[list[str], list[tuple[str, list[Behavior | None]]], int]:
    """(arm keys, rows of (situation, one cell an arm), situations left out)."""
    arms = {key: arm for key, arm in evaluation["arms"].items() if arm.get("situations")}
    shown = [key for key in ("normal", "scrambled", "silent_twin") if key in arms]
    if "silent_twin" not in arms and "off" in arms:
        shown.append("off")
    counts: dict[str, int] = {}
    for key in shown:
        for situation, record in arms[key]["situations"].items():
            counts[situation] = counts.get(situation, 0) + record["n"]
    kept = sorted(sorted(counts, key=lambda text: -counts[text])[:MOST_SITUATIONS])
    rows = [(text, [_behavior(arms[key]["situations"].get(text), agents) for key in shown]) for text in kept]
    return shown, rows, len(counts) - len(kept)


def _behavior(record: Mapping[str, Any] | None, agents: Sequence[str]) -> Behavior | None:
    if record is None:
        return None
    plays = sorted(record["plays"].items(), key=lambda item: -item[1])
    top = [(short_play(play, agents), share) for play, share in plays[:MOST_PLAYS] if share > 0]
    rest = sum(share for _, share in plays[MOST_PLAYS:])
    return Behavior(formats.number(record["mean"]), formats.count(record["n"]), top, rest)


def short_play(play: str, agents: Sequence[str]) -> str:
    """A joint play without the agents' names, in their order: "a_0: x, b_0: y" becomes "x · y".

    A text that does not name every agent exactly once is returned as it is.
    """
    names = "|".join(re.escape(agent) for agent in sorted(agents, key=len, reverse=True))
    parts = re.split(rf"(?:^|, )({names}): ", play) if names else [play]
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    if parts[0] or set(found) != set(agents) or len(parts) != 2 * len(agents) + 1:
        return play
    return " · ".join(found[agent] for agent in agents)
