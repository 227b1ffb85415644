from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from marl.compression.card import CARD, card_rows, card_table, write_card

EXAMPLE = {
    "scenario": "lewis",
    "policy": "sender",
    "kind": "int8",
    "trained": {
        "bytes": 2_870_000,
        "weights_bytes": 2_780_000,
        "parameters": 694_656,
        "decisions_per_cpu_second": 800.4,
        "mean_return": 0.99,
    },
    "compressed": {
        "bytes": 820_000,
        "weights_bytes": 730_000,
        "parameters": 694_656,
        "decisions_per_cpu_second": 760.0,
        "mean_return": 0.97,
    },
    "speed_ratio": {"median": 0.95, "low": 0.9, "high": 1.01, "repeats": 7, "decisions": 4},
    "return_difference": {"mean": -0.02, "low": -0.05, "high": 0.01, "p": 0.3, "n": 256, "test": "paired"},
    "confidence": 0.95,
    "agreement": {"same": 0.998, "kl": 0.00031, "decisions": 2512},
}


def test_the_rows_say_both_figures_and_what_lies_between() -> None:
    rows = {what: (one, two) for what, one, two in card_rows(EXAMPLE)}
    assert rows["size on disk"] == ("2.87 MB", "0.82 MB, 3.5 times smaller")
    assert rows["weights"] == ("694,656", "694,656")
    assert rows["decisions a CPU second"][0] == "800"
    assert rows["decisions a CPU second"][1] == "760, 0.95 times as many (0.90 to 1.01 in 7 repeats)"
    assert rows["mean payoff per agent"][1].startswith("0.970, a difference of -0.020 (95% interval -0.050 to +0.010,")
    assert rows["same likeliest answer"][1] == "99.8% of 2,512 decisions"
    assert rows["divergence from the trained policy"][1] == "0.00031 nats a decision"


def test_the_table_prints_every_row() -> None:
    console = Console(width=160, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(card_table(EXAMPLE))
    printed = console.export_text()
    assert "sender as trained" in printed
    for row in card_rows(EXAMPLE):
        for cell in row:
            assert cell in printed


def test_the_card_is_plain_json_and_refuses_what_is_not_a_number(tmp_path: Path) -> None:
    assert write_card(tmp_path, EXAMPLE) == EXAMPLE
    assert json.loads((tmp_path / CARD).read_text()) == EXAMPLE
    with pytest.raises(ValueError, match="JSON"):
        write_card(tmp_path, {"mean": float("nan")})
