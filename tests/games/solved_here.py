"""What `solve` gives, computed in this process: starting one for every small game would take most of a test's time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from marl.errors import SolverError
from marl.games.concepts import CONCEPTS, concepts_for, game_fields
from marl.games.extensive import ExtensiveGame
from marl.games.limits import Deadline
from marl.games.normal_form import NormalFormGame
from marl.games.solution_words import solution_sentences
from marl.games.solving import Solving


def solved_here(game: NormalFormGame | ExtensiveGame, concepts: Iterable[str] | None = None) -> dict[str, Any]:
    """The record, as JSON would hold it."""
    record: dict[str, Any] = {**game_fields(game), "time_limit": 60, "notes": {}}
    solving = Solving(game, Deadline(60))
    for name in concepts_for(game) if concepts is None else concepts:
        record.update(dict.fromkeys(CONCEPTS[name].fields))
        try:
            record.update(CONCEPTS[name].compute(solving))
        except SolverError as error:
            record["notes"][name] = str(error)
    record["summary"] = solution_sentences(record)
    return json.loads(json.dumps(record))
