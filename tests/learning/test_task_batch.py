from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from marl.errors import LearningError
from marl.learning.batch import CRITIC, column_batch, critic_id, is_critic
from marl.learning.features import critic_layout
from marl.learning.language_actor import rows_of
from marl.learning.task import Task
from marl.learning.task_batch import critics_first, stacked, task_batch
from marl.policies import Policy, build_policies
from marl.settings import Scenario
from marl.types import Episode

Played = tuple[list[Episode], list[Episode], dict[str, Scenario]]


@pytest.fixture
def played(make_scenario: Callable[..., Scenario]) -> Played:
    """Episodes of two games of different size, by one policy."""
    one, two = make_scenario(1), make_scenario(2, steps=2, talk_rounds=1)
    games = {"small": one.model_copy(update={"name": "small"}), "large": two.model_copy(update={"name": "large"})}
    policies: dict[str, Policy] = build_policies(one, seed=0)
    first, second = (Task(tuple(range(3)), 5).play(game, policies) for game in games.values())
    return first, second, games


def test_one_scenario_gives_its_own_columns(played: Played) -> None:
    first, _, games = played
    layout = critic_layout(games["small"])
    wanted, given = column_batch(first, {"guest"}, layout), task_batch(first, {"guest"}, {"small": layout})
    assert set(given) == set(wanted) == {CRITIC, "guest"}
    for module, columns in wanted.items():
        assert all(np.array_equal(columns[name], given[module][name]) for name in columns)


def test_each_task_has_its_critic_and_policies_have_all_rows(played: Played) -> None:
    first, second, games = played
    layouts = {name: critic_layout(game) for name, game in games.items()}
    mixed = [second[0], first[0], second[1], first[1], first[2], second[2]]
    found = task_batch(mixed, {"guest"}, layouts)
    assert set(found) == {critic_id("small"), critic_id("large"), "guest"}
    alone = [column_batch(own, {"guest"}, layouts[name]) for name, own in (("small", first), ("large", second))]
    for name, own in zip(("small", "large"), alone, strict=True):
        assert all(np.array_equal(column, found[critic_id(name)][key]) for key, column in own[CRITIC].items())
    guest = found["guest"]
    assert rows_of(guest) == [*rows_of(alone[0]["guest"]), *rows_of(alone[1]["guest"])]
    sizes = [len(own["guest"]["row"]) for own in alone]
    assert guest["task"].tolist() == [0] * sizes[0] + [1] * sizes[1]
    critics = np.concatenate([found[critic_id(name)]["agent"] for name in layouts])
    assert critics[guest["row"]].tolist() == guest["agent"].tolist()
    assert set(guest["episode"][: sizes[0]]).isdisjoint(guest["episode"][sizes[0] :])


def test_a_task_without_a_turn_is_an_error(played: Played) -> None:
    first, second, games = played
    layouts = {name: critic_layout(game) for name, game in games.items()}
    failed = [replace(episode, outcome="failed", error="stuck") for episode in second]
    with pytest.raises(LearningError, match=r"no turn to learn from in 3 episodes.*stuck"):
        task_batch([*first, *failed], {"guest"}, layouts)


def test_columns_are_stacked_with_zeros_on_the_right() -> None:
    one = {"flat": np.array([1, 2]), "wide": np.array([[1], [2]])}
    two = {"flat": np.array([3]), "wide": np.array([[4, 5]])}
    found = stacked([one, two])
    assert found["flat"].tolist() == [1, 2, 3]
    assert found["wide"].tolist() == [[1, 0], [2, 0], [4, 5]]


def test_critics_are_known_by_their_ids() -> None:
    columns: dict[str, dict[str, np.ndarray]] = {name: {} for name in ("critic-a", "critical", "critic", "guest")}
    critics, others = critics_first(columns)
    assert list(critics) == ["critic-a", "critic"]
    assert list(others) == ["critical", "guest"]
    assert is_critic(critic_id())
    assert is_critic(critic_id("a"))
