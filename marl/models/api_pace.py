"""Requests and tokens a minute, kept within a server's limits."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

WINDOW_S = 60.0


@dataclass(slots=True)
class Admission:
    """One admitted request: when (seconds on the clock), and its tokens, expected at first and then as reported."""

    time: float
    tokens: int


class Pace:
    """Admits requests so that no 60 seconds hold more than `requests` of them, nor more than `tokens` tokens.

    First come, first served. A request that alone expects more tokens than the limit is admitted once nothing else is
    in the window: the server decides about it. None is no limit. `clock` gives seconds, `sleep` waits for some.
    """

    def __init__(
        self,
        requests: int | None,
        tokens: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._requests = requests
        self._tokens = tokens
        self._clock = clock
        self._sleep = sleep
        self._window: deque[Admission] = deque()
        self._turn = asyncio.Lock()

    async def admit(self, tokens: int) -> Admission:
        """Wait until a request that expects so many tokens fits. Set the admission's `tokens` when they are known."""
        async with self._turn:
            while (wait := self._wait(tokens)) > 0:
                await self._sleep(wait)
            admission = Admission(self._clock(), tokens)
            if self._requests is not None or self._tokens is not None:
                self._window.append(admission)
            return admission

    def _wait(self, tokens: int) -> float:
        """Seconds until enough of the window has passed, as far as is known now."""
        now = self._clock()
        while self._window and self._window[0].time + WINDOW_S <= now:
            self._window.popleft()
        count, held = len(self._window), sum(admission.tokens for admission in self._window)
        wait = 0.0
        for admission in self._window:
            if self._fits(count, held, tokens):
                break
            wait = admission.time + WINDOW_S - now
            count, held = count - 1, held - admission.tokens
        return wait

    def _fits(self, count: int, held: int, tokens: int) -> bool:
        room = self._requests is None or count < self._requests
        return room and (self._tokens is None or held + tokens <= self._tokens)
