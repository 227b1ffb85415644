"""Limits of time and memory: a deadline that our own loops ask, and a child process for what cannot be asked."""

from __future__ import annotations

import os
import pickle
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from marl.errors import OutOfTimeError, SolverError

TIME_LIMIT = 60.0
"""Seconds that a solver may take unless told otherwise."""

LONGEST = 1_000_000.0
"""Seconds, eleven days: much more is beyond what can be waited for at once."""

MEGABYTES = 4096


class Deadline:
    """A moment, `seconds` from now, after which a solver gives up or answers with what it has."""

    def __init__(self, seconds: float) -> None:
        if not 0 < seconds <= LONGEST:
            raise SolverError(f"a time limit must be positive and at most {LONGEST:,.0f} seconds; given {seconds}")
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that remain, a millisecond at least, so that it can be handed on as a limit."""
        return max(1e-3, self._end - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self._end

    def check(self, task: str) -> None:
        """OutOfTimeError where the time is over; `task` says what was going on."""
        if self.passed:
            raise OutOfTimeError(f"{task} took longer than {self.seconds:g} s; raise the time limit or drop strategies")


class Child:
    """A new process that computes `function(send, *arguments)` and is killed when the block ends, whatever it is doing.

    Every value that it sends can be received here. `function` is a module's own (the process imports it); values and
    arguments are picklable. Its address space is limited to `megabytes`.
    """

    def __init__(self, function: Callable[..., None], *arguments: Any, megabytes: int = MEGABYTES) -> None:
        self._name = function.__name__
        reading, writing = os.pipe()
        self._pipe = Connection(reading, writable=False)
        # A process of its own rather than multiprocessing's, which would import the caller's script once more.
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from marl.games.limits import serve; serve({writing}, {megabytes})"],
            stdin=subprocess.PIPE,
            pass_fds=[writing],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        os.close(writing)
        with self._process.stdin as stdin:  # type: ignore[union-attr]
            pickle.dump((function, arguments), stdin)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._pipe.close()

    def receive(self, seconds: float) -> Any:
        """The next value. SolverError where none comes in time, or the process failed or ended."""
        if not self._pipe.poll(seconds):
            raise SolverError(f"stopped after {seconds:.3g} s; raise the time limit or drop strategies")
        try:
            kind, value = self._pipe.recv()
        except EOFError:
            code = self._process.wait()
            raise SolverError(f"the process of {self._name} ended (exit code {code})") from None
        if kind == "error":
            raise SolverError(value)
        return value


def serve(descriptor: int, megabytes: int) -> None:
    """What the child process runs: the pickled (function, arguments) on standard input, its values to the pipe."""
    limit = megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    pipe = Connection(descriptor, readable=False)
    try:
        function, arguments = pickle.load(sys.stdin.buffer)
        function(lambda value: pipe.send(("value", value)), *arguments)
    except SolverError as error:
        pipe.send(("error", str(error)))
    except MemoryError:
        pipe.send(("error", f"more than {megabytes} MB were needed; raise the memory limit or drop strategies"))
