"""Concepts asked of games in a child process, each within its share of the time; one that hangs is killed.

`marl.games.solution` asks all concepts of one game, `marl.games.estimate` asks them of mean payoffs and of games drawn
around them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from marl.errors import SolverError
from marl.games.concepts import CONCEPTS
from marl.games.extensive.game import ExtensiveGame
from marl.games.limits import Child, Deadline
from marl.games.normal_form import NormalFormGame
from marl.games.solving import Solving

GRACE = 5.0
"""Seconds that an answer may take beyond its share before its process is killed: the start of a process is in them."""


@dataclass(frozen=True, slots=True)
class Question:
    """A concept and the games of which it is asked, for which `share` of the time that is left may be spent.

    `brief` as in `marl.games.solving.Solving`.
    """

    concept: str
    games: Sequence[NormalFormGame | ExtensiveGame]
    share: float = 0.5
    brief: bool = False


Answer = dict[str, Any] | str
"""The concept's fields, or the reason why it has none."""


def answers(questions: Sequence[Question], deadline: Deadline, megabytes: int) -> list[list[Answer]]:
    """For each question the answers in the order of its games, fewer than games where time was over but one at least.

    What one game's concepts have in common is computed once: give the same object. Where an answer does not come, its
    process is killed, the reason stands in its place if it is the question's first one, and the next question is put to
    a new process.
    """
    found: list[list[Answer]] = [[] for _ in questions]
    place = 0
    while place < len(questions) and not deadline.passed:
        failed = {q.concept for q, own in zip(questions, found, strict=True) if own and isinstance(own[0], str)}
        arguments = tuple(questions[place:]), tuple(failed), deadline.left
        with Child(_work, *arguments, megabytes=megabytes) as child:
            while place < len(questions):
                own, share = found[place], questions[place].share
                try:
                    answer = child.receive(min(deadline.left * share + GRACE, deadline.left + 1))
                except SolverError as error:
                    own.extend([] if own else [str(error)])
                    place += 1
                    break
                if answer is None:
                    place += 1
                else:
                    own.append(answer)
    return [own or [f"not computed: the {deadline.seconds:g} s were over"] for own in found]


def _work(
    send: Callable[[Answer | None], None], questions: Sequence[Question], failed: tuple[str, ...], seconds: float
) -> None:
    """Sends every answer, and None after the last one to a question."""
    deadline = Deadline(seconds)
    solvings: dict[tuple[int, bool], Solving] = {}
    for question in questions:
        share = Deadline(deadline.left * question.share)
        for game in question.games:
            key = id(game), question.brief
            if key not in solvings:
                solvings[key] = Solving(game, deadline, failed, brief=question.brief)
            try:
                send(CONCEPTS[question.concept].compute(solvings[key]))
            except SolverError as error:
                send(str(error))
            if share.passed:
                break
        send(None)
