"""tournament.json: the payoffs of all episodes that an analysis rests on, and which to play next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marl.errors import StoreError
from marl.store import RunDirectory

FILE = "tournament.json"

Rows = dict[tuple[int, ...], dict[int, list[float]]]
"""Payoffs, an entry a player, by profile (strategy indices) and episode number."""


def write_tournament(run: RunDirectory, names: Mapping[str, Sequence[str]], checkpoint: str, rows: Rows) -> None:
    """Write the file: strategies by agent, and for each profile its episodes' numbers and payoffs."""
    profiles = [
        {"profile": list(profile), "episodes": list(own), "payoffs": list(own.values())}
        for profile, own in sorted(rows.items())
    ]
    strategies = {agent: list(own) for agent, own in names.items()}
    run.write_json(FILE, {"checkpoint": checkpoint, "strategies": strategies, "profiles": profiles})


def to_refine(
    run: RunDirectory, names: Mapping[str, Sequence[str]], checkpoint: str, budget: int
) -> tuple[Rows, dict[tuple[int, ...], range]]:
    """What was played, and the numbers of up to `budget` episodes that the last analysis asks for, by profile.

    Numbers go on from the last one of the profile, so that no episode is played twice. Raises StoreError where no
    analysis of this checkpoint with these strategies is there.
    """
    from marl.games.refinement import within

    known: dict[str, Any] = run.read_json(FILE) if run.has(FILE) else {}
    wanted = {"checkpoint": checkpoint, "strategies": {agent: list(own) for agent, own in names.items()}}
    if {key: known.get(key) for key in wanted} != wanted:
        there = f'one of the checkpoint "{known["checkpoint"]}"' if known else "none"
        raise StoreError(
            f'{str(run.path)!r} has no tournament of the checkpoint "{checkpoint}" with these strategies to refine, '
            f"but {there}; `marl analyze {run.path} --checkpoint {checkpoint}` plays it"
        )
    rows = {tuple(one["profile"]): dict(zip(one["episodes"], one["payoffs"], strict=True)) for one in known["profiles"]}
    plan = within(run.read_json("analysis.json")["refinement"], budget)
    starts = {profile: max(rows.get(profile, {-1: []}), default=-1) + 1 for profile in plan}
    return rows, {profile: range(starts[profile], starts[profile] + more) for profile, more in plan.items()}
