"""tournament.json, and an analysis that is refined: what was played stays, and nothing is played twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from marl import experiment
from marl.errors import StoreError
from marl.payoffs import to_refine, write_tournament
from marl.scenario import load_scenario
from marl.store import RunDirectory

NAMES = {"a": ["x", "y"], "b": ["z"]}


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "run", load_scenario("prisoners_dilemma"))


def test_numbers_go_on_where_they_ended(directory: RunDirectory) -> None:
    rows = {(0, 0): {0: [1.0, 2.0], 2: [3.0, 4.0]}, (1, 0): {0: [0.5, 0.5], 1: [0.0, 0.0]}}
    write_tournament(directory, NAMES, "last", rows)
    plan = [{"profile": [0, 0], "more": 4}, {"profile": [1, 0], "more": 2}]
    directory.write_json("analysis.json", {"refinement": {"profiles": plan}})
    known, wanted = to_refine(directory, NAMES, "last", 100)
    assert known == rows
    assert wanted == {(0, 0): range(3, 7), (1, 0): range(2, 4)}
    assert to_refine(directory, NAMES, "last", 3)[1] == {(0, 0): range(3, 5), (1, 0): range(2, 3)}


def test_what_is_not_there_is_not_refined(directory: RunDirectory) -> None:
    with pytest.raises(StoreError, match=r"but none; `marl analyze .* --checkpoint last` plays it"):
        to_refine(directory, NAMES, "last", 10)
    write_tournament(directory, NAMES, "best", {})
    with pytest.raises(StoreError, match='one of the checkpoint "best"'):
        to_refine(directory, NAMES, "last", 10)
    with pytest.raises(StoreError, match="with these strategies"):
        to_refine(directory, {"a": ["x"]}, "best", 10)


def test_a_run_is_refined(tmp_path: Path) -> None:
    """Random moves make all payoffs noisy; what was played stays, and each round adds to it."""
    random = "{kind: scripted, entry: 'marl.policies.scripted:random'}"
    settings = [
        f"policies={{first: {{kind: network, hidden: [4]}}, second: {random}}}",
        *("channel={topology: none, talk_rounds: 0}", "training.iterations=1", "training.episodes=4"),
        *("training.evaluation_episodes=2", "analysis.episodes=4"),
    ]
    run = experiment.train(load_scenario("prisoners_dilemma", settings), tmp_path / "run")
    first = experiment.analyze(run.path)
    before = run.read_json("tournament.json")
    assert first["refinement"]["undecided"] > 0
    second = experiment.analyze(run.path, refine=40)
    after = run.read_json("tournament.json")
    assert sum(len(one["episodes"]) for one in after["profiles"]) == 40 + sum(
        len(p["episodes"]) for p in before["profiles"]
    )
    for old, new in zip(before["profiles"], after["profiles"], strict=True):
        assert new["payoffs"][: len(old["payoffs"])] == old["payoffs"]
        assert new["episodes"] == list(range(len(new["episodes"])))
    assert second["game"]["n"] != first["game"]["n"]
    third = experiment.analyze(run.path, refine=40)
    assert sum(map(sum, third["game"]["n"])) == sum(map(sum, second["game"]["n"])) + 40
    again = experiment.analyze(run.path)
    assert again["game"] == first["game"], "without refining, the tournament is played anew"
