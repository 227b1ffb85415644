"""Everything about one game in one record, each concept within its share of time, the whole in a process that can die.

The record is plain lists, numbers and strings (docs/solving.md lists its fields), with its own summary in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from marl.errors import SolverError
from marl.games.answers import Answer, Question, answers
from marl.games.concepts import CONCEPTS, concepts_for, game_fields
from marl.games.extensive.game import ExtensiveGame
from marl.games.limits import MEGABYTES, TIME_LIMIT, Deadline
from marl.games.normal_form import NormalFormGame
from marl.games.solution_words import solution_sentences


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
    found = answers([Question(name, [game]) for name in chosen], Deadline(time_limit), megabytes)
    first = {name: own[0] for name, own in zip(chosen, found, strict=True)}
    record = {**game_fields(game), "time_limit": time_limit, **fields_of(first)}
    record["summary"] = solution_sentences(record)
    return record


def fields_of(found: Mapping[str, Answer]) -> dict[str, Any]:
    """The fields of all concepts: None where one has no answer, with the reason in "notes"."""
    fields: dict[str, Any] = {"notes": {}}
    for name, answer in found.items():
        if isinstance(answer, str):
            fields["notes"][name] = answer
            answer = dict.fromkeys(CONCEPTS[name].fields)
        fields |= answer
    return fields
