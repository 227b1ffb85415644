"""Everything about one game in one record, each concept within its share of time, the whole in a process that can die.

The record is plain lists, numbers and strings (docs/solving.md lists its fields), with its own summary in words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from marl.errors import SolverError
from marl.games.concepts import CONCEPTS, concepts_for, game_fields
from marl.games.extensive.game import ExtensiveGame
from marl.games.limits import MEGABYTES, TIME_LIMIT, Child, Deadline
from marl.games.normal_form import NormalFormGame
from marl.games.solution_words import solution_sentences
from marl.games.solving import Solving

GRACE = 5.0
"""Seconds that a concept may take beyond its share before its process is killed: the start of a process is in them."""


def solve(
    game: NormalFormGame | ExtensiveGame,
    concepts: Iterable[str] | None = None,
    *,
    time_limit: float = TIME_LIMIT,
    megabytes: int = MEGABYTES,
) -> dict[str, Any]:
    """What theory says about the game: the fields of all `concepts` (by default all that suit it) and a summary.

    A tree is solved as such and, where it is small enough, in its reduced normal form.
    All is computed in a child process with `megabytes` of memory. Each concept may take half of the time that is left
    of `time_limit` seconds; one that does not end, even killed, leaves its reason under "notes" and None in its fields,
    and the others go on. Raises SolverError for an unknown concept.
    """
    chosen = concepts_for(game) if concepts is None else tuple(dict.fromkeys(concepts))
    unknown = [name for name in chosen if name not in CONCEPTS]
    if unknown:
        raise SolverError(f"unknown concepts {unknown}; there are {', '.join(CONCEPTS)}")
    chosen = tuple(name for name in CONCEPTS if name in chosen)
    record: dict[str, Any] = {**game_fields(game), "time_limit": time_limit, "notes": {}}
    for name in chosen:
        record.update(dict.fromkeys(CONCEPTS[name].fields))
    deadline = Deadline(time_limit)
    pending = list(chosen)
    while pending and not deadline.passed:
        _run(game, pending, chosen, deadline, megabytes, record)
    for name in pending:
        record["notes"][name] = f"not computed: the {time_limit:g} s were over"
    record["summary"] = solution_sentences(record)
    return record


def _run(
    game: NormalFormGame | ExtensiveGame,
    pending: list[str],
    chosen: tuple[str, ...],
    deadline: Deadline,
    megabytes: int,
    record: dict[str, Any],
) -> None:
    """Works off `pending` in one process until all is done or the process has to be given up, with one concept lost."""
    failed = tuple(name for name in chosen if name in record["notes"])
    with Child(_work, game, tuple(pending), failed, deadline.left, megabytes=megabytes) as child:
        while pending:
            try:
                kind, value = child.receive(min(deadline.left / 2 + GRACE, deadline.left + 1))
            except SolverError as error:
                kind, value = "note", str(error)
                record["notes"][pending.pop(0)] = value
                return
            if kind == "note":
                record["notes"][pending[0]] = value
            else:
                record.update(value)
            pending.pop(0)


def _work(
    send: Callable[[Any], None],
    game: NormalFormGame | ExtensiveGame,
    pending: tuple[str, ...],
    failed: tuple[str, ...],
    seconds: float,
) -> None:
    deadline = Deadline(seconds)
    solving = Solving(game, deadline, failed)
    for name in pending:
        try:
            send(("fields", CONCEPTS[name].compute(solving)))
        except SolverError as error:
            send(("note", str(error)))
