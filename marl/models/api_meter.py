"""What the calls of an API model came to, and the limit on what they may cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marl.errors import ModelError
from marl.settings import APISettings

PER = 1_000_000  # prices are those of a million tokens
COUNTS = (
    "requests",
    "retries",
    "failures",
    "prompt_tokens",
    "completion_tokens",
    "unmetered",
    "seconds",
    "cost",
    "open_cost",
)


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one request as the server counted them; `hidden_tokens` of the completion are reasoning."""

    prompt_tokens: int
    completion_tokens: int
    hidden_tokens: int = 0


class Meter:
    """Counts the requests of one policy in one process.

    `requests` were sent, `retries` of them because an earlier one had failed; `failures` are turns that stayed without
    an answer. `seconds` adds up the time that each request took, those at the same time each by itself. `cost` follows
    from the prices and the tokens that the server reported. A request that ended without a report (it timed out, its
    answer was unreadable or held no usage) is `unmetered`; the most that it may have cost goes into `open_cost`, and
    counts towards the limit. `earlier` is what had been spent before this meter began, and counts there too.
    """

    def __init__(self, name: str, settings: APISettings, *, earlier: float = 0.0) -> None:
        self.name = name
        self.settings = settings
        self.earlier = earlier
        self.requests = self.retries = self.failures = 0
        self.prompt_tokens = self.completion_tokens = self.unmetered = 0
        self.seconds = self.cost = self.open_cost = 0.0
        self.reserved = 0.0
        self.under_way = 0

    @property
    def priced(self) -> bool:
        """Whether the scenario gives both prices."""
        return self.settings.input_price is not None and self.settings.output_price is not None

    @property
    def spent(self) -> float:
        """All that counts towards the limit: reported, possible and earlier cost."""
        return self.earlier + self.cost + self.open_cost

    def price(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What so many tokens cost; 0 without prices."""
        settings = self.settings
        return (prompt_tokens * (settings.input_price or 0) + completion_tokens * (settings.output_price or 0)) / PER

    def fits(self, cost: float) -> bool:
        """Whether a request of at most `cost` may start beside those that are under way."""
        limit = self.settings.cost_limit
        return limit is None or self.spent + self.reserved + cost <= limit

    def reserve(self, cost: float) -> None:
        """Set aside the most that a request can cost. Raises ModelError where that would pass the limit."""
        if not self.fits(cost):
            raise ModelError(
                f"policy {self.name!r}: the next call may cost up to {cost:.6f}, and {self.spent:.6f} of "
                f"cost_limit={self.settings.cost_limit:g} is spent; raise cost_limit, or play fewer episodes"
            )
        self.reserved += cost
        self.under_way += 1

    def settle(self, reserved: float, seconds: float, usage: Usage | None, *, free: bool = False) -> None:
        """Book a request that is over. `free` says that it failed in a way that no server charges for."""
        self.under_way -= 1
        self.reserved = self.reserved - reserved if self.under_way else 0.0
        self.requests += 1
        self.seconds += seconds
        if usage is not None:
            self.prompt_tokens += usage.prompt_tokens
            self.completion_tokens += usage.completion_tokens
            self.cost += self.price(usage.prompt_tokens, usage.completion_tokens)
        elif not free:
            self.unmetered += 1
            self.open_cost += reserved

    def record(self) -> dict[str, Any]:
        """All counts as plain data."""
        return {"policy": self.name, "model": self.settings.model} | {count: getattr(self, count) for count in COUNTS}

    def add(self, record: Mapping[str, Any]) -> None:
        """Count what another process counted: its `record()`."""
        for count in COUNTS:
            setattr(self, count, getattr(self, count) + record[count])

    def since(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """What was counted after `record()` gave `record`."""
        return self.record() | {count: getattr(self, count) - record[count] for count in COUNTS}

    def summary(self) -> str:
        """The counts in one sentence or two."""
        text = (
            f"{self.name} ({self.settings.model}): {_number(self.requests, 'request')} in {self.seconds:.1f} s, "
            f"{_number(self.retries, 'retry', 'retries')}, {_number(self.failures, 'failed call')}; "
            f"{self.prompt_tokens:,} prompt and {self.completion_tokens:,} completion tokens"
        )
        if self.priced:
            text += f"; cost {self.cost:.4f}"
            text += f" (limit {self.settings.cost_limit:g})" if self.settings.cost_limit is not None else ""
        if self.unmetered:
            most = f", which may have cost up to {self.open_cost:.4f} more" if self.priced else ""
            text += f". The server reported no tokens for {_number(self.unmetered, 'request')}{most}"
        return text + "."


def _number(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
