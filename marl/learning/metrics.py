"""The numbers of an iteration, under the names that `docs/run_directory.md` lists.

Plain names count what the run has used so far (`iteration`, `env_steps`, `turns`, `tokens`, `time_s`): the axes of its
curves. Grouped names measure: `charts/` and `losses/` are CleanRL's where it has the number (Huang et al., "CleanRL",
2022), `evaluation/` is the periodic evaluation, `time/` the seconds that the parts of an iteration took.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from marl.errors import LearningError
from marl.types import Episode

COUNTS = ("charts/episodes_failed", "charts/parse_failures", "charts/failed_calls", "evaluation/episodes_failed")
"""What is added up over tasks."""


def played(episodes: Sequence[Episode], what: str) -> list[Episode]:
    """The episodes that did not fail. Raises LearningError when all failed or a payoff is not a finite number."""
    left = [episode for episode in episodes if episode.outcome != "failed"]
    if not left:
        raise LearningError(f"all {len(episodes)} {what} episodes failed; the first: {episodes[0].error}")
    for episode in left:
        if not np.isfinite(list(episode.returns.values())).all():
            raise LearningError(
                f"{what} episode {episode.index}: the payoffs are {episode.returns}; rewards must be finite numbers, "
                "so fix the env"
            )
    return left


def episode_metrics(episodes: Sequence[Episode]) -> dict[str, float]:
    """charts/episodic_return (mean over agents and episodes), charts/success where the env says, counts of failures."""
    whole = [episode for episode in episodes if episode.outcome != "failed"]
    row: dict[str, float] = {
        "charts/episodic_return": float(np.mean([episode.mean_return for episode in whole])),
        "charts/episodic_length": float(np.mean([episode.length for episode in whole])),
        "charts/episodes_failed": len(episodes) - len(whole),
        "charts/parse_failures": sum(episode.failures("reply") for episode in whole),
        "charts/failed_calls": sum(episode.failures("call") for episode in whole),
    }
    return row | success_metrics(whole, "charts")


def task_metrics(played: Mapping[str, Sequence[Episode]]) -> dict[str, float]:
    """`episode_metrics` of one scenario's episodes. Of several: each task's as charts/TASK/..., and under the plain
    names the sum over tasks where it is a count, else the mean over the tasks that have it.
    """
    rows = {task: episode_metrics(episodes) for task, episodes in played.items()}
    return next(iter(rows.values())) if len(rows) == 1 else over_tasks(rows)


def over_tasks(rows: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """One row from a row a task: GROUP/NAME of all tasks together, and GROUP/TASK/NAME of each."""
    found: dict[str, float] = {}
    for name in dict.fromkeys(name for row in rows.values() for name in row):
        group, _, rest = name.partition("/")
        values = {task: row[name] for task, row in rows.items() if name in row}
        found[name] = float((np.sum if name in COUNTS else np.mean)(list(values.values())))
        found |= {f"{group}/{task}/{rest}": value for task, value in values.items()}
    return found


def success_metrics(episodes: Sequence[Episode], group: str) -> dict[str, float]:
    """`group`/success, the mean over the episodes in which the env says whether they succeeded."""
    successes = [episode.success for episode in episodes if episode.success is not None]
    return {f"{group}/success": float(np.mean(successes))} if successes else {}


def turn_count(episodes: Sequence[Episode]) -> int:
    """Decisions in all episodes."""
    return sum(len(episode.turns) for episode in episodes)


def token_count(episodes: Sequence[Episode]) -> int:
    """Tokens of all prompts and replies; 0 where no language model plays."""
    return sum(len(turn.prompt_ids) + len(turn.token_ids) for episode in episodes for turn in episode.turns)


def throughput(turns: int, tokens: int, seconds: float) -> dict[str, float]:
    """charts/SPS, turns a second of sampling and learning, and charts/tokens_per_second where there are tokens."""
    row = {"charts/SPS": turns / seconds}
    return row | ({"charts/tokens_per_second": tokens / seconds} if tokens else {})


def is_timed(name: str) -> bool:
    """Whether a clock decides the metric, so that it differs between runs that are otherwise the same."""
    return name.startswith("time") or name in {"charts/SPS", "charts/tokens_per_second"}
