from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from marl.errors import StoreError
from marl.scenario import load_scenario
from marl.store import RunDirectory, episode_from_json, episode_to_json, read_episodes
from marl.types import Episode, Message, ParseFailure, Turn


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "run", load_scenario("lewis"), "marl run lewis")


def an_episode() -> Episode:
    message = Message("sender_0", "ba", "ba", 0, 0, ("receiver_0",))
    turn = Turn(
        id=0,
        agent="sender_0",
        policy="sender",
        phase="talk",
        step=0,
        round=0,
        prompt="Say:",
        options=("ba", "du"),
        text="ba",
        choice=0,
        prompt_ids=(1, 2, 3),
        token_ids=(4, 5),
        option_ids=((4, 5), (6,)),
        log_probs=(-0.7,),
        features=np.array([1, 0], dtype=np.float32),
        state=np.array([0.5], dtype=np.float32),
        heard=(),
        said=(0,),
        reward=1.0,
        last=True,
        failure=ParseFailure("x", "why", "call"),
        next_state=np.array([0.25], dtype=np.float32),
        next_features=np.array([0, 1], dtype=np.float32),
    )
    return Episode("lewis", 3, 7, ("sender_0", "receiver_0"), "red", [turn], [message], {"sender_0": 1.0}, 1.0, 1)


def test_an_episode_comes_back_as_it_was() -> None:
    episode = an_episode()
    again = episode_from_json(json.loads(json.dumps(episode_to_json(episode))))
    assert again.messages == episode.messages
    for before, after in zip(episode.turns, again.turns, strict=True):
        for field in dataclasses.fields(Turn):
            one, other = getattr(before, field.name), getattr(after, field.name)
            assert np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other, field.name
            assert type(one) is type(other), field.name
    assert dataclasses.replace(episode, turns=[]) == dataclasses.replace(again, turns=[])


def test_a_failure_that_was_written_without_its_kind_is_one_of_a_reply() -> None:
    data = json.loads(json.dumps(episode_to_json(an_episode())))
    assert data["turns"][0]["failure"].pop("kind") == "call"
    assert episode_from_json(data).turns[0].failure == ParseFailure("x", "why", "reply")


def test_an_episode_of_before_the_state_s_text_is_read_and_one_with_it_comes_back() -> None:
    episode = an_episode()
    episode.turns[0].state_text = "The stag is north."
    data = json.loads(json.dumps(episode_to_json(episode)))
    assert episode_from_json(data).turns[0].state_text == "The stag is north."
    del data["turns"][0]["state_text"], data["turns"][0]["next_state_text"]
    assert episode_from_json(data).turns[0].state_text is None


def test_episodes_are_written_and_read(run: RunDirectory) -> None:
    path = run.write_episodes("normal", [an_episode(), an_episode()])
    assert [episode.index for episode in read_episodes(path)] == [7, 7]
    assert len(run.episodes("normal")) == 2


def test_missing_things_say_what_makes_them(run: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="marl evaluate RUN"):
        run.read_json("evaluation.json")
    with pytest.raises(StoreError, match="marl evaluate"):
        run.episodes("normal")
    with pytest.raises(StoreError, match="not a run directory"):
        RunDirectory(tmp_path / "nothing")


def test_a_directory_that_holds_a_run_is_not_overwritten(run: RunDirectory) -> None:
    with pytest.raises(StoreError, match="--resume or choose another --out"):
        RunDirectory.create(run.path, load_scenario("lewis"))


def test_a_run_that_failed_before_anything_was_measured_makes_room(run: RunDirectory) -> None:
    run.update_run(status="failed", ended="ModelError: no such model")
    RunDirectory.create(run.path / "silent_twin", load_scenario("lewis"))
    (run.path / "mine.txt").write_text("kept")
    again = RunDirectory.create(run.path, load_scenario("two_step"))
    assert again.scenario().name == "two_step"
    assert again.read_json("run.json")["status"] == "new"
    assert not again.has("silent_twin")
    assert again.has("mine.txt")
    again.update_run(status="failed")
    again.append_metrics({"iteration": 0})
    with pytest.raises(StoreError, match="--resume or choose another --out"):
        RunDirectory.create(run.path, load_scenario("lewis"))


def test_a_copied_run_still_opens(run: RunDirectory, tmp_path: Path) -> None:
    copy = run.path.rename(tmp_path / "elsewhere")
    assert RunDirectory(copy).scenario() == load_scenario("lewis")
    assert RunDirectory(copy).read_json("run.json")["command"] == "marl run lewis"


def test_metrics_append_truncate_and_survive_a_line_cut_short(run: RunDirectory) -> None:
    for iteration in range(1, 6):
        run.append_metrics({"iteration": iteration, "value": np.float32(iteration) / 2})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"iteration": 6, "val')
    assert [row["iteration"] for row in run.metrics()] == [1, 2, 3, 4, 5]
    run.truncate_metrics(3)
    assert [row["value"] for row in run.metrics()] == [0.5, 1.0, 1.5]


def test_a_broken_line_in_the_middle_is_an_error(run: RunDirectory) -> None:
    (run.path / "metrics.jsonl").write_text('{"iteration": 1}\n{"iter\n{"iteration": 3}\n')
    with pytest.raises(StoreError, match="line 2"):
        run.metrics()


def test_values_that_are_not_finite_are_refused(run: RunDirectory) -> None:
    with pytest.raises(StoreError, match=r"x\.json: a value is not finite"):
        run.write_json("x.json", {"a": float("nan")})
    assert not run.has("x.json")


def test_nothing_half_written_is_left(run: RunDirectory) -> None:
    with pytest.raises(TypeError):
        run.write_json("x.json", {"a": object()})
    assert [path.name for path in run.path.iterdir() if path.name.startswith(".")] == []


def test_what_cannot_be_written_is_named(
    run: RunDirectory, tmp_path: Path, room: Callable[[int], AbstractContextManager[None]]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot write '.*file/run/run.json': Not a directory; see that"):
        RunDirectory.create(tmp_path / "file" / "run", load_scenario("lewis"))
    before = {path: path.read_bytes() for path in run.path.iterdir()}
    with room(1000), pytest.raises(StoreError, match=r"cannot write '.*big.json': File too large.*--resume"):
        run.write_json("big.json", list(range(1000)))
    with room(1000), pytest.raises(StoreError, match=r"metrics.jsonl': File too large"):
        run.append_metrics({"iteration": 0, "x": "x" * 2000})
    assert {path: path.read_bytes() for path in run.path.iterdir() if path.name != "metrics.jsonl"} == before
    assert run.metrics() == []


def test_run_json_is_merged_and_names_versions(run: RunDirectory) -> None:
    run.update_run(status="done")
    card = run.read_json("run.json")
    assert card["status"] == "done"
    assert {"python", "torch", "ray", "pettingzoo"} <= set(card["versions"])
