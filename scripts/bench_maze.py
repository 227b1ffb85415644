"""Held-out mazes: what trained runs do beside random play, a wall follower and the shortest way.

`python scripts/bench_maze.py RUN ...`: runs of the scenario `maze`, one a seed, that `marl evaluate` has been through.
Those of one algorithm and model are a row. SPL is success weighted by path length, the mean of success x shortest way /
way taken (Anderson et al., "On Evaluation of Embodied Navigation Agents", 2018). Intervals:
Wilson's, over all episodes.
"""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Sequence

import numpy as np

from marl.evaluation.statistics import success_interval
from marl.policies.scripted import Script, ScriptedPolicy, random
from marl.rollout import play
from marl.scenario import evaluated
from marl.seeding import seed_of
from marl.settings import Scenario
from marl.store import RunDirectory
from marl.types import Episode, View

SIDES = ("up", "right", "down", "left")


def shortest(situation: str) -> int:
    """Moves from W to G on the map in an episode's situation, whose characters are cells and the walls between them."""
    rows = situation.split()[1:]
    cells = {(i, j): mark for i, row in enumerate(rows) for j, mark in enumerate(row) if mark != "#"}
    start = next(place for place, mark in cells.items() if mark == "W")
    found, queue = {start: 0}, deque([start])
    while queue:
        i, j = place = queue.popleft()
        if cells[place] == "G":
            return found[place] // 2
        for beside in ((i - 1, j), (i, j + 1), (i + 1, j), (i, j - 1)):
            if beside in cells and beside not in found:
                found[beside] = found[place] + 1
                queue.append(beside)
    raise ValueError(f"no way from W to G in {situation!r}")


def follow_the_wall(view: View) -> str:
    """The first open side clockwise after the one that it came from."""
    came = view.prompt.rpartition("You came from: ")[2].split(".")[0] if "You came from" in view.prompt else "left"
    after = SIDES.index(came) + 1
    return next(side for side in (SIDES * 2)[after : after + 4] if side in view.options)


def scripted(scenario: Scenario, function: Script) -> list[Episode]:
    """What a scripted walker does on the evaluation's episodes."""
    seed, walker = seed_of(scenario.seed, "evaluation"), {"walker": ScriptedPolicy("walker", function)}
    return play(evaluated(scenario), walker, range(scenario.evaluation.episodes), seed=seed)


def row(who: str, seeds: Sequence[Sequence[Episode]], steps: Sequence[int] = ()) -> str:
    """One line of the table: success with its interval, of each seed, SPL and the mean env steps of training."""
    each = [[episode.success == 1.0 for episode in episodes] for episodes in seeds]
    found = success_interval(sum(map(sum, each)), sum(map(len, each)), confidence=0.95)
    ways = [(e.success == 1.0) * shortest(e.situation) / e.length for episodes in seeds for e in episodes]
    cells = [
        who,
        f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]",
        ", ".join(f"{np.mean(one):.3f}" for one in each),
        f"{np.mean(ways):.3f}",
        f"{int(np.mean(steps)):,}" if steps else "",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+")
    runs: dict[str, list[RunDirectory]] = {}
    for run in map(RunDirectory, parser.parse_args().runs):
        scenario = run.scenario()
        walker = scenario.policies["walker"]
        runs.setdefault(f"{scenario.training.algorithm}, {getattr(walker, 'model', walker.kind)}", []).append(run)
    print("| who | success | of each seed | SPL | env steps |\n|---|---|---|---|---|")
    print("| shortest way | 1.000 | | 1.000 | |")
    scenarios = [run.scenario() for run in next(iter(runs.values()))]
    print(row("wall follower", [scripted(scenario, follow_the_wall) for scenario in scenarios]))
    print(row("random", [scripted(scenario, random) for scenario in scenarios]))
    for who, seeds in runs.items():
        print(row(f"{who}, before", [run.episodes("untrained") for run in seeds]))
        print(row(who, [run.episodes("normal") for run in seeds], [run.metrics()[-1]["env_steps"] for run in seeds]))


if __name__ == "__main__":
    main()
