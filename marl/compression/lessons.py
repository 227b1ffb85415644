"""What a smaller policy is taught on: the decisions that the trained one, or the pupil itself, was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from marl.models import Row
from marl.policies import Policy
from marl.rollout import play
from marl.seeding import seed_of
from marl.settings import Scenario
from marl.store import RunDirectory
from marl.types import Episode

ARMS = ("normal", "off", "scrambled")
"""The evaluation's arms in which the trained policies play."""


def lessons_of(episodes: Iterable[Episode], name: str) -> list[Row]:
    """Every decision of policy `name` in `episodes`, as token ids: a said text, or a choice among options."""
    turns = [turn for episode in episodes for turn in episode.turns if turn.policy == name and turn.prompt_ids]
    return [
        Row(turn.prompt_ids, (), turn.option_ids, turn.choice)
        if turn.option_ids
        else Row(turn.prompt_ids, turn.token_ids)
        for turn in turns
        if turn.option_ids or turn.token_ids
    ]


def recorded_lessons(run: RunDirectory, name: str) -> list[Row]:
    """The lessons in the run's evaluated episodes; none where the run was not evaluated."""
    arms = [arm for arm in ARMS if run.has(f"episodes/{arm}.jsonl")]
    return [row for arm in arms for row in lessons_of(run.episodes(arm), name)]


def fresh_lessons(scenario: Scenario, policies: Mapping[str, Policy], name: str, number: int) -> list[Row]:
    """The lessons in as many new episodes as an evaluation has, played by `policies`; `number` names the batch."""
    seed = seed_of(scenario.seed, "compression", "lessons", number)
    return lessons_of(play(scenario, policies, range(scenario.evaluation.episodes), seed=seed), name)
