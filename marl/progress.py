"""How far the `marl` command has come: bars and a table of numbers in a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from marl.multi_task import AnyScenario, games_of

STEPS = {
    "train": "training",
    "twin": "training the silent twin",
    "tune": "trials",
    "psro": "growing populations",
    "evaluate": "evaluating arms",
    "analyze": "playing the tournament",
    "report": "writing the report",
}
NUMBERS: dict[str, tuple[tuple[str, ...], str]] = {
    "return": (("charts/episodic_return",), "{:.2f}"),
    "evaluated": (("evaluation/normal",), "{:.2f}"),
    "success": (("charts/success", "evaluation/success"), "{:.2f}"),
    "NashConv": (("exact/nash_conv",), "{:.3f}"),
    "gains": (("psro/gains",), "{:.3f}"),
    "incumbent": (("exact/incumbent_nash_conv", "psro/incumbent_gains"), "{:.3f}"),
    "averaged": (("exact/average_nash_conv",), "{:.3f}"),
    "entropy": (("losses/entropy_action", "losses/entropy_message", "losses/entropy"), "{:.3f}"),
    "KL": (("losses/approx_kl",), "{:.4f}"),
    "tokens/s": (("charts/tokens_per_second",), "{:,.0f}"),
    "turns/s": (("charts/SPS",), "{:,.0f}"),
}
"""Heading -> the metrics of which the first that is there is shown, and how."""
QUIET_SECONDS = 10.0
"""Outside of a terminal, at least so long between two lines of a training without evaluation."""


def numbers(row: Mapping[str, Any]) -> dict[str, str]:
    """What is shown of a metrics row, by heading; what the row lacks is left out."""
    found = {}
    for heading, (names, form) in NUMBERS.items():
        value = next((row[name] for name in names if row.get(name) is not None), None)
        if value is not None:
            found[heading] = form.format(value)
    return found


class Step:
    """Where one step of the command is, and how long it will take from here at the pace so far."""

    def __init__(self, total: int, clock: Callable[[], float]) -> None:
        self.total, self.done = total, 0
        self.shown: dict[str, str] = {}
        self._clock, self._start = clock, clock()
        self._first: int | None = None

    def take(self, row: Mapping[str, Any]) -> None:
        """Take in what `row` says; a row that counts nothing is one step on."""
        self.total = int(row.get("total", self.total))
        self.done = int(row.get("iteration", row.get("done", self.done + 1)))
        if self._first is None:
            self._first, self._start = self.done, self._clock()
        self.shown |= numbers(row)

    @property
    def left(self) -> timedelta | None:
        """Time to the total; None before the pace is known. A resumed step's earlier work says nothing of the pace."""
        gone = self.done - (self._first or 0)
        if gone <= 0:
            return None
        seconds = (self._clock() - self._start) / gone * max(self.total - self.done, 0)
        return timedelta(seconds=round(seconds))


class ProgressBars:
    """Shows each step of a run, fed by `experiment`'s progress callback; `clock` gives seconds.

    Without a `scenario`, steps must say their total.
    """

    def __init__(
        self, console: Console, scenario: AnyScenario | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        arms, self._iterations = (1, 1)
        if scenario is not None:
            arms = len(next(iter(games_of(scenario).values())).evaluation.arms) + 2
            self._iterations = scenario.training.iterations
        self._totals = {"evaluate": arms, "report": 1}
        self._clock = clock
        self._steps: dict[str, Step] = {}
        self._lines = Lines(console, clock)
        self._live = LiveBars(console) if console.is_terminal else None

    def __enter__(self) -> ProgressBars:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, step: str, row: Mapping[str, Any]) -> None:
        """Move `step` to where `row` says it is."""
        total = self._totals.get(step, self._iterations)
        state = self._steps.setdefault(step, Step(total, self._clock))
        state.take(row)
        if self._live is None:
            self._lines.show(step, state, row)
        else:
            self._live.show(step, state, row)


class Lines:
    """One line now and then, for logs and pipes."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console, self._clock = console, clock
        self._last: dict[str, float] = {}

    def show(self, step: str, state: Step, row: Mapping[str, Any]) -> None:
        """Print the line, unless one of this step was printed just now and this row closes and evaluates nothing."""
        now = self._clock()
        due = "evaluation/normal" in row or "arm" in row or state.done >= state.total or "reason" in row
        if not due and now - self._last.get(step, -QUIET_SECONDS) < QUIET_SECONDS:
            return
        self._last[step] = now
        parts = [f"{heading} {value}" for heading, value in state.shown.items()]
        parts += [str(row[key]) for key in ("arm", "note") if key in row]
        if state.left:
            parts.append(f"{state.left} left")
        line = f"{STEPS[step]} {state.done}/{state.total}" + (": " if parts else "") + ", ".join(parts)
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class LiveBars:
    """A bar for each step and, under them, the latest numbers of each training."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[note]}"),
            console=console,
            expand=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._shown: dict[str, dict[str, str]] = {}
        self._live = Live(console=console, refresh_per_second=8, get_renderable=self._picture)

    def start(self) -> None:
        """Begin to draw."""
        self._live.start()

    def stop(self) -> None:
        """Draw the last picture and leave it there."""
        self._live.stop()

    def show(self, step: str, state: Step, row: Mapping[str, Any]) -> None:
        """Take in where `step` is."""
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(STEPS[step], total=state.total, left="", note="")
        note = str(row.get("arm", row.get("note", "")))
        left = f"{state.left} left" if state.left else ""
        self._bars.update(self._tasks[step], completed=state.done, total=state.total, left=left, note=note)
        if state.shown:
            self._shown[step] = dict(state.shown)

    def _picture(self) -> Group:
        if not self._shown:
            return Group(self._bars)
        headings = [name for name in NUMBERS if any(name in shown for shown in self._shown.values())]
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column("", style="dim", min_width=24)
        for heading in headings:
            table.add_column(heading, justify="right", header_style="dim")
        for step, shown in self._shown.items():
            table.add_row(STEPS[step], *(shown.get(heading, "") for heading in headings))
        return Group(self._bars, table)
