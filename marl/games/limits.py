"""Limits of time and memory: a deadline that our own loops ask, and a child process for what cannot be asked."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from marl.errors import SolverError

TIME_LIMIT = 60.0
"""Seconds that a solver may take unless told otherwise."""

MEGABYTES = 4096


class Deadline:
    """A moment, `seconds` from now, after which a solver gives up or answers with what it has."""

    def __init__(self, seconds: float) -> None:
        if not seconds > 0:
            raise SolverError(f"a time limit must be positive; given {seconds} seconds")
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
        """SolverError where the time is over; `task` says what was going on."""
        if self.passed:
            raise SolverError(f"{task} took longer than {self.seconds:g} s; raise the time limit or drop strategies")


def in_child(function: Callable[..., Any], *arguments: Any, seconds: float, megabytes: int = MEGABYTES) -> Any:
    """`function(*arguments)`, computed in a new process that is killed after `seconds`, whatever it is doing.

    `function` is a module's own (the process imports it), its arguments and result picklable. Memory counts as address
    space. Raises SolverError where a limit is met or the process dies, and the function's own SolverError.
    """
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs, function, arguments, megabytes), daemon=True)
    process.start()
    theirs.close()
    try:
        if not mine.poll(seconds):
            raise SolverError(f"{function.__name__} was stopped after {seconds:g} s; raise the limit or drop strategies")
        kind, value = mine.recv()
    except EOFError:
        process.join()
        raise SolverError(f"the process of {function.__name__} died (exit code {process.exitcode})") from None
    finally:
        process.kill()
        process.join()
        mine.close()
    if kind == "error":
        raise SolverError(value)
    return value


def _serve(pipe: Connection, function: Callable[..., Any], arguments: tuple[Any, ...], megabytes: int) -> None:
    limit = megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        pipe.send(("value", function(*arguments)))
    except SolverError as error:
        pipe.send(("error", str(error)))
    except MemoryError:
        pipe.send(("error", f"{function.__name__} needs more than {megabytes} MB; raise the limit or drop strategies"))
