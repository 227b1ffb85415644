"""What the messages meant: each sender's convention, its lexicon as a heat table, and the bits against chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from marl.report import formats
from marl.report.figures import information_strip

CONVENTIONS = {
    "separating": "each situation has its own message",
    "partial pooling": "some situations share a message, others are told apart",
    "pooling": "the same message, whatever the situation",
    "babbling": "messages vary, but not with the situation",
    "silent": "nothing is said",
}
SILENCE = "(silence)"
MOST_MESSAGES = 8
MOST_SITUATIONS = 12


@dataclass(frozen=True)
class SenderView:
    """One sender. `rows` pairs a situation with the share of each column's message in it; `others` is what remains."""

    name: str
    convention: str
    meaning: str
    facts: str
    information: str
    beyond_chance: bool
    strip: Markup | None
    columns: list[str]
    rows: list[tuple[str, list[float]]]
    others: list[float]
    left_out: str


def sender_views(evaluation: Mapping[str, Any]) -> list[SenderView]:
    """Every sender of evaluation.json, in the file's order."""
    return [_sender(name, record) for name, record in (evaluation.get("communication", {})).items()]


def _sender(name: str, record: Mapping[str, Any]) -> SenderView:
    if record["situations"] == 1:
        return _without_situations(name, record)
    columns, rows, left_out = lexicon_table(record["lexicon"])
    others = _others(rows)
    information = record["mutual_information"]
    beyond = information["bits"] > information["null_high"]
    bits, most, usual, rare = (
        formats.number(information[key]) for key in ("bits", "max_bits", "null_mean", "null_high")
    )
    measured = (
        f"{bits} of at most {most} bits about the situation; shuffled messages give {usual} on average and rarely more "
        f"than {rare} (p {_p(information['p'])})."
    )
    facts = f"{_unique(record)}; {record['told_apart']} of {record['situations']} situations told apart."
    convention = str(record["convention"])
    return SenderView(
        name, convention, CONVENTIONS.get(convention, ""), facts, measured, beyond,
        information_strip(information), columns, rows, others, left_out,
    )  # fmt: skip


def _without_situations(name: str, record: Mapping[str, Any]) -> SenderView:
    """A sender whose episodes all start alike: its messages have nothing to tell apart."""
    columns, rows, left_out = lexicon_table(record["lexicon"])
    others = _others(rows)
    facts = f"{_unique(record)}. Every episode starts alike, so there is no situation for them to tell."
    quiet = record["convention"] == "silent"
    return SenderView(
        name, "silent" if quiet else "one situation", "", facts, "", False, None, columns, rows, others, left_out
    )


def _others(rows: list[tuple[str, list[float]]]) -> list[float]:
    """What each situation's shares leave open; nothing where they leave nothing."""
    others = [max(0.0, 1.0 - sum(shares)) for _, shares in rows]
    return others if max(others, default=0.0) > 0.005 else []


def _unique(record: Mapping[str, Any]) -> str:
    unique = record["unique_messages"]
    return f"{formats.count(unique)} different message{'' if unique == 1 else 's'}"


def _p(p: object) -> str:
    words = formats.p_value(p)
    return words if words.startswith("<") else f"= {words}"


def lexicon_table(lexicon: list[Mapping[str, Any]]) -> tuple[list[str], list[tuple[str, list[float]]], str]:
    """(messages, rows of (situation, shares), what was left out in words).

    Messages are ordered so that each situation's favorite stands near the diagonal.
    """
    table: dict[str, dict[str, float]] = {}
    for entry in lexicon:
        table.setdefault(entry["situation"], {})[entry["message"]] = entry["share"]
    situations = sorted(table)[:MOST_SITUATIONS]
    weight: dict[str, float] = {}
    for situation in situations:
        for message, share in table[situation].items():
            weight[message] = max(weight.get(message, 0.0), share)
    kept = sorted(weight, key=lambda message: -weight[message])[:MOST_MESSAGES]
    home = {m: max(range(len(situations)), key=lambda i: (table[situations[i]].get(m, 0.0), -i)) for m in kept}
    kept.sort(key=lambda message: (weight[message] < 0.1, home[message], -weight[message]))
    rows = [(situation, [table[situation].get(message, 0.0) for message in kept]) for situation in situations]
    gone = [
        text
        for text, missing in (
            (f"{len(weight) - len(kept)} rarer messages", len(weight) - len(kept)),
            (f"{len(table) - len(situations)} further situations", len(table) - len(situations)),
        )
        if missing
    ]
    left_out = f"Not shown: {formats.listing(gone)}; evaluation.json holds them." if gone else ""
    return [message if message.strip() else SILENCE for message in kept], rows, left_out
