"""compression.json and the small table that says the same in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from marl.store import write_atomically

CARD = "compression.json"


def write_card(folder: Path, card: Mapping[str, Any]) -> dict[str, Any]:
    """Write `card` as FOLDER/compression.json and return it."""
    write_atomically(folder / CARD, json.dumps(card, indent=1, allow_nan=False) + "\n")
    return dict(card)


def card_rows(card: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What compression.json says, as rows (what, trained policy, compressed policy)."""
    one, two, gap, speed = card["trained"], card["compressed"], card["return_difference"], card["speed_ratio"]
    near = card["agreement"]
    level = f"{card['confidence']:.0%}"
    return [
        (
            "size on disk",
            _size(one["bytes"]),
            f"{_size(two['bytes'])}, {one['bytes'] / two['bytes']:.1f} times smaller",
        ),
        ("weights", f"{one['parameters']:,}", f"{two['parameters']:,}"),
        (
            "decisions a CPU second",
            f"{one['decisions_per_cpu_second']:,.0f}",
            f"{two['decisions_per_cpu_second']:,.0f}, {speed['median']:.2f} times as many "
            f"({speed['low']:.2f} to {speed['high']:.2f} in {speed['repeats']} repeats)",
        ),
        (
            "mean payoff per agent",
            f"{one['mean_return']:.3f}",
            f"{two['mean_return']:.3f}, a difference of {gap['mean']:+.3f} ({level} interval {gap['low']:+.3f} to "
            f"{gap['high']:+.3f}, {gap['n']} episodes in pairs)",
        ),
        ("same likeliest answer", "", f"{near['same']:.1%} of {near['decisions']:,} decisions"),
        ("divergence from the trained policy", "", f"{near['kl']:.2g} nats a decision"),
    ]


def card_table(card: Mapping[str, Any]) -> Table:
    """`card_rows` to print."""
    table = Table("", f"{card['policy']} as trained", card["kind"])
    for row in card_rows(card):
        table.add_row(*row)
    return table


def _size(count: int) -> str:
    return f"{count / 1e6:.2f} MB"
