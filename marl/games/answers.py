"""Concepts asked of games in a child process, each within its share of the time; one that hangs is killed.

`marl.games.solution` asks all concepts of one game, `marl.games.estimate` asks them of mean payoffs and of games drawn
around them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from marl.errors import OutOfTimeError, SolverError
from marl.games.concepts import CONCEPTS
from marl.games.extensive.game import ExtensiveGame
from marl.games.limits import Child, Deadline
from marl.games.normal_form import NormalFormGame
from marl.games.solving import Solving

GRACE = 5.0
"""Seconds that an answer may take beyond its share before its process is killed: the start of a process is in them."""


@dataclass(frozen=True, slots=True)
class Question:
    """A concept and the games of which it is asked, for which `share` of the time that is left may be spent, without
    the `kept` seconds that are for later questions.

    One game or `many`, whose answers are `brief` (`marl.games.solving.Solving`) and end where time is over.
    """

    concept: str
    games: Sequence[NormalFormGame | ExtensiveGame]
    share: float = 0.5
    many: bool = False
    kept: float = 0.0

    def within(self, deadline: Deadline) -> Deadline:
        """The deadline but for what is kept."""
        return Deadline(max(1e-3, deadline.left - self.kept))


Answer = dict[str, Any] | str
"""The concept's fields, or the reason why it has none."""


def answers(questions: Sequence[Question], deadline: Deadline, megabytes: int) -> list[list[Answer]]:
    """For each question the answers in the order of its games: of many games those for which there was time, perhaps
    none; of one always one, if only the reason why there is none.

    What one game's concepts have in common is computed once: give the same object. Where an answer does not come, the
    process is killed, and the next question is put to a new one.
    """
    found: list[list[Answer]] = [[] for _ in questions]
    place = 0
    while place < len(questions) and not deadline.passed:
        failed = {q.concept for q, own in zip(questions, found, strict=True) if own and isinstance(own[0], str)}
        arguments = tuple(questions[place:]), tuple(failed), deadline.left
        with Child(_work, *arguments, megabytes=megabytes) as child:
            while place < len(questions):
                own, question = found[place], questions[place]
                left = question.within(deadline).left
                try:
                    answer = child.receive(min(left * question.share + GRACE, left + 1))
                except SolverError as error:
                    own.extend([] if own or question.many else [str(error)])
                    place += 1
                    break
                if answer is None:
                    place += 1
                else:
                    own.append(answer)
    late = f"not computed: the {deadline.seconds:g} s were over"
    return [own or ([] if question.many else [late]) for question, own in zip(questions, found, strict=True)]


def _work(
    send: Callable[[Answer | None], None], questions: Sequence[Question], failed: tuple[str, ...], seconds: float
) -> None:
    """Sends every answer, and None after the last one to a question."""
    deadline = Deadline(seconds)
    solvings: dict[tuple[int, bool], Solving] = {}
    for question in questions:
        whole = question.within(deadline)
        share = Deadline(whole.left * question.share)
        for game in question.games:
            key = id(game), question.many
            if key not in solvings:
                solvings[key] = Solving(game, deadline, failed, brief=question.many)
            solvings[key].deadline = share if question.many else whole
            try:
                send(CONCEPTS[question.concept].compute(solvings[key]))
            except OutOfTimeError as error:
                if question.many:
                    break
                send(str(error))
            except SolverError as error:
                send(str(error))
            if share.passed:
                break
        send(None)
