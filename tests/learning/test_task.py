from __future__ import annotations

from collections.abc import Callable

from marl.learning.task import GROUP, Task
from marl.policies import build_policies
from marl.rollout import play
from marl.settings import Scenario


def test_groups_cover_the_task_in_order_and_keep_its_arguments() -> None:
    task = Task(tuple(range(5, 5 + 2 * GROUP + 3)), 9, "scrambled", {"x": ["hello"]})
    parts = task.groups()
    assert [len(part.indices) for part in parts] == [GROUP, GROUP, 3]
    assert tuple(index for part in parts for index in part.indices) == task.indices
    assert all((part.seed, part.intervention, part.pool) == (9, "scrambled", {"x": ["hello"]}) for part in parts)


def test_playing_group_by_group_is_playing_all(make_scenario: Callable[..., Scenario]) -> None:
    scenario = make_scenario(2, talk_rounds=1)
    policies = build_policies(scenario, seed=0)
    task = Task(tuple(range(GROUP + 2)), 3)
    whole = task.play(scenario, policies)
    assert [episode.index for episode in whole] == list(task.indices)
    apart = [episode for part in task.groups() for episode in part.play(scenario, policies)]
    again = play(scenario, policies, task.indices, seed=3, group=GROUP)
    for one, two, three in zip(whole, apart, again, strict=True):
        assert one.messages == two.messages == three.messages
        assert one.returns == two.returns == three.returns
