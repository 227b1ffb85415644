"""Episodes of one scenario, or of several tasks, to the columns that one update takes.

Of several tasks each has a critic of its own, which reads the task's own rows. A policy's rows are those of all its
tasks together: `task` [T] says of which, `row` counts on over all critics' rows, in the tasks' order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from marl.learning.batch import CRITIC, column_batch, critic_id, is_critic
from marl.learning.features import Columns, CriticLayout
from marl.types import Episode


def task_batch(
    episodes: Sequence[Episode], learning: Collection[str], layouts: Mapping[str, CriticLayout]
) -> dict[str, Columns]:
    """Module id -> columns, as `column_batch` has them; `layouts` by the name of the episodes' scenario, of which one
    alone gives what `column_batch` gives. Raises LearningError where a task has no turn to learn from.
    """
    if len(layouts) == 1:
        return column_batch(episodes, learning, next(iter(layouts.values())))
    found: dict[str, Columns] = {}
    owned: dict[str, list[Columns]] = {}
    first = 0
    for number, (task, layout) in enumerate(layouts.items()):
        columns = column_batch([episode for episode in episodes if episode.scenario == task], learning, layout)
        critic = columns.pop(CRITIC)
        for name, own in columns.items():
            place = {"task": np.full(len(own["row"]), number, np.int64), "row": own["row"] + first}
            # Both tasks have an episode 0, and a policy that remembers must not take them for one.
            owned.setdefault(name, []).append(own | place | {"episode": own["episode"] * len(layouts) + number})
        found[critic_id(task)] = critic
        first += len(critic["agent"])
    return found | {name: stacked(parts) for name, parts in owned.items()}


def critics_first(columns: Mapping[str, Columns]) -> tuple[dict[str, Columns], dict[str, Columns]]:
    """The critics' columns and the policies', by module id."""
    critics = {name: own for name, own in columns.items() if is_critic(name)}
    return critics, {name: own for name, own in columns.items() if name not in critics}


def stacked(parts: Sequence[Columns]) -> Columns:
    """One after another, padded on the right with 0 to the size of the largest."""
    return {name: np.concatenate(_padded([part[name] for part in parts])) for name in parts[0]}


def _padded(columns: Sequence[np.ndarray]) -> list[np.ndarray]:
    sizes = np.array([column.shape[1:] for column in columns]).max(axis=0, initial=0)
    rooms = [[(0, 0), *((0, int(size) - own) for size, own in zip(sizes, c.shape[1:], strict=True))] for c in columns]
    return [np.pad(column, room) for column, room in zip(columns, rooms, strict=True)]
