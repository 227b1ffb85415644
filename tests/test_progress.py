from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from marl.progress import ProgressBars, numbers
from marl.scenario import load_scenario

ROW = {
    "charts/episodic_return": 7.25,
    "charts/success": 0.5,
    "losses/entropy_action": 0.6931,
    "losses/approx_kl": 0.0123,
    "charts/tokens_per_second": 12345.6,
}


class Clock:
    """A clock that goes on a second a look."""

    def __init__(self, step: float = 1.0) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def show(terminal: bool, calls: list[tuple[str, dict[str, Any]]], clock: Any = None, width: int = 100) -> str:
    console = Console(record=True, width=width, force_terminal=terminal)
    with ProgressBars(console, load_scenario("scout_hunt", ["training.iterations=4"]), clock=clock or Clock(0)) as bars:
        for step, row in calls:
            bars(step, row)
    return console.export_text()


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("train", {"iteration": 0, "evaluation/normal": 5.0}),
    ("train", {"iteration": 4, **ROW}),
    ("twin", {"iteration": 4, "charts/episodic_return": 4.5}),
    *(("evaluate", {"arm": arm}) for arm in ("normal", "off", "scrambled", "untrained", "silent_twin")),
    ("analyze", {"done": 16, "total": 16}),
    ("report", {}),
]


@pytest.mark.parametrize("terminal", [True, False])
def test_every_step_and_number_is_shown_to_its_end(terminal: bool, capsys: pytest.CaptureFixture[str]) -> None:
    text = show(terminal, CALLS)
    for piece in ("4/4", "5/5", "16/16", "1/1", "silent twin"):
        assert piece in text
    for heading, value in (
        ("return", "7.25"),
        ("evaluated", "5.00"),
        ("success", "0.50"),
        ("entropy", "0.693"),
        ("KL", "0.0123"),
        ("tokens/s", "12,346"),
    ):
        assert heading in text
        assert value in text


def test_lines_are_whole_and_in_order() -> None:
    text = show(False, CALLS).splitlines()
    assert text[0] == "training 0/4: evaluated 5.00"
    assert text[1] == (
        "training 4/4: evaluated 5.00, return 7.25, success 0.50, entropy 0.693, KL 0.0123, tokens/s 12,346"
    )
    assert text[3] == "evaluating arms 1/5: normal"
    assert text[-1] == "writing the report 1/1"


def test_lines_come_with_evaluations_or_after_ten_seconds() -> None:
    rows = [("train", {"iteration": number, "charts/episodic_return": 1.0}) for number in range(1, 4)]
    assert len(show(False, rows, Clock(0)).splitlines()) == 1
    assert len(show(False, rows, Clock(6)).splitlines()) == 3
    rows[1][1]["evaluation/normal"] = 2.0
    assert [line.split(":")[0] for line in show(False, rows, Clock(0)).splitlines()] == ["training 1/4", "training 2/4"]


def test_time_left_is_at_the_pace_since_the_first_row() -> None:
    class Slow:
        now = 100.0

        def __call__(self) -> float:
            return self.now

    clock = Slow()
    console = Console(record=True, width=100)
    with ProgressBars(console, load_scenario("scout_hunt", ["training.iterations=40"]), clock=clock) as bars:
        bars("train", {"iteration": 20, "evaluation/normal": 1.0})  # a resumed run
        clock.now += 60.0
        bars("train", {"iteration": 30, "evaluation/normal": 1.0})
    first, second = console.export_text().splitlines()
    assert "left" not in first
    assert second.endswith("0:01:00 left")


def test_a_row_without_a_number_shows_none() -> None:
    assert numbers({"iteration": 3, "charts/success": None}) == {}
    assert numbers({"losses/entropy_message": 1.0}) == {"entropy": "1.000"}
