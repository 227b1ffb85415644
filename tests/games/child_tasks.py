"""What child processes are asked to do in tests: functions that a fresh process can import."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from marl.errors import SolverError
from marl.games.answers import Question
from marl.games.concepts import CONCEPTS
from marl.games.limits import Deadline
from marl.games.solving import Solving

Send = Callable[[Any], None]


def count_up(send: Send, until: int) -> None:
    for number in range(until):
        send(number)


def hang(send: Send) -> None:
    send("started")
    time.sleep(3600)


def swallow(send: Send, megabytes: int) -> None:
    send(np.ones(megabytes * 2**17).sum())


def give_up(send: Send) -> None:
    raise SolverError("no such game")


def forget(send: Send) -> None:
    os._exit(3)


def stubborn(send: Send, questions: Sequence[Question], failed: tuple[str, ...], seconds: float) -> None:
    """The work behind `answers`, but for the concept "mixed", which takes for ever with the last of its games."""
    for question in questions:
        for number, game in enumerate(question.games, start=1):
            if question.concept == "mixed" and number == len(question.games):
                time.sleep(3600)
            send(CONCEPTS[question.concept].compute(Solving(game, Deadline(seconds), failed)))
        send(None)
