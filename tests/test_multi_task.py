from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from marl.errors import ScenarioError
from marl.multi_task import MultiTask, games_of, home_of, load_any, packaged_multi_tasks, resolved
from marl.scenario import dump_scenario, load_scenario
from marl.settings import Scenario

FILE: dict[str, Any] = {
    "name": "both",
    "title": "Both",
    "seed": 3,
    "tasks": {"lewis": {"scenario": "lewis"}, "hunt": {"scenario": "scout_hunt", "set": ["env.kwargs.valleys=5"]}},
    "policies": {"player": {"kind": "language_model"}},
    "training": {"episodes": 24, "lr": 0.002},
}


def given(**changes: Any) -> dict[str, Any]:
    return {**FILE, **changes}


@pytest.mark.parametrize("name", packaged_multi_tasks())
def test_what_is_packaged_can_be_read(name: str) -> None:
    several = load_any(name)
    assert isinstance(several, MultiTask)
    assert len(games_of(several)) >= 2


def test_each_task_is_its_scenario_with_what_is_shared() -> None:
    several = resolved(FILE)
    hunt, alone = games_of(several)["hunt"], load_scenario("scout_hunt", ["env.kwargs.valleys=5"])
    assert (hunt.env, hunt.channel, hunt.kind, hunt.analysis) == (alone.env, alone.channel, alone.kind, alone.analysis)
    assert (hunt.name, hunt.seed, hunt.training.lr, hunt.training.episodes) == ("hunt", 3, 0.002, 12)
    assert hunt.seats == {"scout_0": "player", "partner_0": "player"}
    assert set(hunt.policies) == {"player"}
    assert several.seats["lewis/receiver_0"] == "player"


def test_a_list_of_names_will_do() -> None:
    assert list(resolved(given(tasks=["lewis", "climbing"])).tasks) == ["lewis", "climbing"]


@pytest.mark.parametrize(
    ("shares", "algorithm", "episodes", "expected"),
    [
        ((1, 1), "mappo", 24, [12, 12]),
        ((3, 1), "mappo", 24, [18, 6]),
        ((2, 1), "mappo", 25, [17, 8]),
        ((1, 1), "mappo", 25, [13, 12]),
        ((2, 1), "magrpo", 20, [12, 8]),  # groups of 4: 10/3 and 5/3 of 5 groups
    ],
)
def test_episodes_are_shared_out_whole(
    shares: tuple[float, float], algorithm: str, episodes: int, expected: list[int]
) -> None:
    tasks = {
        name: {"scenario": name, "share": share} for name, share in zip(("lewis", "climbing"), shares, strict=True)
    }
    several = resolved(given(tasks=tasks, training={"algorithm": algorithm, "episodes": episodes}))
    assert [game.training.episodes for game in games_of(several).values()] == expected


def test_the_resolved_file_gives_the_same_again(tmp_path: Path) -> None:
    several = resolved(FILE)
    (tmp_path / "multi_task.yaml").write_text(dump_scenario(several))
    assert load_any(tmp_path / "multi_task.yaml") == several
    changed = load_any(tmp_path / "multi_task.yaml", ["training.lr=0.5", "tasks.hunt.share=3", "seed=9"])
    assert [(game.training.lr, game.training.episodes, game.seed) for game in games_of(changed).values()] == [
        (0.5, 6, 9),
        (0.5, 18, 9),
    ]


def test_a_scenario_is_its_own_only_game() -> None:
    scenario = load_any("lewis")
    assert isinstance(scenario, Scenario)
    assert games_of(scenario) == {"lewis": scenario}
    assert home_of(scenario, "sender") is scenario


def test_a_policy_is_at_home_in_the_first_task_that_seats_it() -> None:
    seats = {"sender_0": "one", "receiver_0": "two"}, {"player_0": "two", "player_1": "two"}
    tasks = {name: {"scenario": name, "seats": s} for name, s in zip(("lewis", "climbing"), seats, strict=True)}
    policies = {name: {"kind": "language_model"} for name in ("one", "two")}
    several = resolved(given(tasks=tasks, policies=policies))
    assert [home_of(several, name).name for name in ("one", "two")] == ["lewis", "lewis"]
    assert set(games_of(several)["climbing"].policies) == {"two"}


LM = {"kind": "language_model"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": ["lewis"]}, "tasks"),
        ({"tasks": "lewis"}, "give a list of scenarios, or a mapping"),
        ({"tasks": ["lewis", "climbin"]}, "did you mean 'climbing'"),
        ({"tasks": {"lewis": {"scenario": "lewis", "shares": 2}}}, "unknown=['shares']"),
        ({"tasks": {"lewis": {"scenario": "lewis", "share": 0}}}, "shares are numbers above 0"),
        ({"policies": {"one": LM, "two": LM}}, "say who sits where"),
        ({"training": {"algorithm": "dqn"}, "tasks": ["lewis", "climbing"]}, "dqn learns one scenario"),
        ({"training": {"learners": 2}}, "learners"),
        ({"training": {"episodes": 1}}, "leave none for ['hunt']"),
        ({"training": {"episode": 1}}, "did you mean 'episodes'"),
        ({"policies": {"player": {"kind": "human"}}}, "a human plays one scenario"),
        ({"extra": 1}, "extra"),
    ],
)
def test_errors_say_what_to_do(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        resolved(given(**changes))
    assert message in str(caught.value)


def test_idle_policies_are_refused() -> None:
    tasks = {
        "lewis": {"scenario": "lewis", "seats": {"sender_0": "one", "receiver_0": "one"}},
        "climbing": {"scenario": "climbing", "seats": {"player_0": "one", "player_1": "one"}},
    }
    with pytest.raises(ScenarioError, match=r"\['two'\] sit in no task"):
        resolved(given(tasks=tasks, policies={"one": LM, "two": LM}))


def test_the_packaged_file_says_no_more_than_it_needs() -> None:
    data = yaml.safe_load(packaged_multi_tasks()["hunt_and_meet"].read_text())
    assert set(data) == {"name", "title", "tasks", "policies", "training"}
