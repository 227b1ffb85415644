"""What the flagship must show, on the real scenarios with their default settings: minutes, so marked slow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from marl.learning.metrics import is_timed
from marl.scenario import load_scenario
from marl.store import RunDirectory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1700)]
SEEDS = range(5)
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def marl(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "marl.cli", *words], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


def run_seeds(name: str, folder: Path, *more: str) -> list[RunDirectory]:
    """`marl run` for five seeds, two at a time; prints the verdict's numbers as a table."""
    with ThreadPoolExecutor(2) as pool:
        done = list(
            pool.map(lambda s: marl("run", name, "--seed", str(s), "--out", str(folder / str(s)), *more), SEEDS)
        )
    assert [process.returncode for process in done] == [0] * len(done), done[0].stdout + done[0].stderr
    return [RunDirectory(folder / str(seed)) for seed in SEEDS]


def table(runs: list[RunDirectory], *arms: str) -> list[dict[str, Any]]:
    rows = []
    for seed, run in zip(SEEDS, runs, strict=True):
        evaluation = run.read_json("evaluation.json")
        rows.append(evaluation)
        cells = [
            f"{arm} {a['mean']:.2f} [{a['low']:.2f}, {a['high']:.2f}]"
            for arm in arms
            if (a := evaluation["arms"].get(arm))
        ]
        print(f"seed {seed}: {' | '.join(cells)} | p {evaluation['differences']['normal-scrambled']['p']:.4f}")
    return rows


def test_scout_hunt_learns_to_talk_and_the_messages_cause_it(tmp_path: Path) -> None:
    runs = run_seeds("scout_hunt", tmp_path)
    rows = table(runs, "normal", "silent_twin", "scrambled", "off", "untrained")
    assert sum(row["arms"]["normal"]["mean"] >= 9.0 for row in rows) >= 4
    assert all(4.5 <= row["arms"]["silent_twin"]["mean"] <= 5.5 for row in rows)
    assert all(row["differences"]["normal-scrambled"]["p"] < 0.01 for row in rows)
    assert all(row["differences"]["normal-scrambled"]["low"] > 0 for row in rows)
    assert all(row["arms"]["untrained"]["mean"] < 7.0 for row in rows), "the pretrained model must not solve it already"
    for run in runs:
        assert run.metrics()[1]["losses/first_ratio_deviation"] < 1e-5


def test_lewis_finds_a_convention(tmp_path: Path) -> None:
    rows = table(
        run_seeds("lewis", tmp_path, "--set", "training.silent_twin=false"), "normal", "scrambled", "untrained"
    )
    assert sum(row["arms"]["normal"]["success"]["mean"] >= 0.9 for row in rows) >= 4


def test_lewis_finds_a_convention_from_scratch(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = marl("train", "lewis", "--model", "scratch", "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    last = RunDirectory(out).metrics()[-1]
    assert last["evaluation/success"] >= 0.9
    assert last["evaluation/scrambled"] < 0.5, "the messages are what carries it"


@pytest.mark.parametrize(
    ("name", "words", "move", "equilibrium"),
    [
        ("prisoners_dilemma", "[cooperate, defect]", "defect", "defect / defect"),
        ("stag_hunt", "[stag, hare]", "hare", "both hare (risk dominant)"),
    ],
)
def test_networks_reach_what_the_analysis_says_with_and_without_talk(
    tmp_path: Path, name: str, words: str, move: str, equilibrium: str
) -> None:
    """Defection is the dilemma's only equilibrium; from uniform play the hunt's safe one has the larger basin."""
    network = "{kind: network, hidden: [64, 64]}"
    settings = [f"policies={{first: {network}, second: {network}}}", f"channel.vocabulary={words}", "channel.budget=1"]
    settings += ["training.lr=0.003", "training.iterations=60", "analysis.episodes=16"]
    done = marl("run", name, "--out", str(tmp_path / "run"), *(w for one in settings for w in ("--set", one)))
    assert done.returncode == 0, done.stdout + done.stderr
    run = RunDirectory(tmp_path / "run")
    for arm in ("normal", "silent_twin"):
        found = run.read_json("evaluation.json")["arms"][arm]
        print(
            arm,
            {agent: {m: round(share["mean"], 3) for m, share in own.items()} for agent, own in found["moves"].items()},
        )
        assert all(own[move]["mean"] >= 0.95 for own in found["moves"].values())
        assert found["equilibrium"]["name"] == equilibrium
    analysis = run.read_json("analysis.json")
    assert [0, 0] in analysis["pure"], "the learned profile is an equilibrium of the game that was played"


@pytest.mark.parametrize("seconds", [4.0, 9.0])
def test_a_killed_run_resumes_without_gap_or_repeat(tmp_path: Path, seconds: float) -> None:
    settings = [
        "training.iterations=8",
        "training.checkpoint_every=2",
        "training.episodes=16",
        "evaluation.episodes=16",
    ]
    settings += ["analysis.episodes=4", "training.silent_twin=false"]
    words = [part for setting in settings for part in ("--set", setting)]
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    assert marl("run", "scout_hunt", *words, "--out", str(straight)).returncode == 0
    command = [sys.executable, "-m", "marl.cli", "run", "scout_hunt", *words, "--out", str(killed)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (killed / "metrics.jsonl").exists() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(seconds / 4)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL, "it must be killed before it is done"
    again = marl("run", "scout_hunt", "--out", str(killed), "--resume")
    assert again.returncode == 0, again.stdout + again.stderr
    rows, expected = RunDirectory(killed).metrics(), RunDirectory(straight).metrics()
    assert [row["iteration"] for row in rows] == list(range(9))
    for row, other in zip(rows, expected, strict=True):
        assert {k: v for k, v in row.items() if not is_timed(k)} == {k: v for k, v in other.items() if not is_timed(k)}


def test_ctrl_c_saves_a_checkpoint_and_says_how_to_go_on(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "marl.cli", "train", "scout_hunt", "--out", str(out)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while not (out / "metrics.jsonl").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in " ".join(printed.split())
    assert list((out / "checkpoints").iterdir())
    assert RunDirectory(out).metrics()[-1]["iteration"] < load_scenario("scout_hunt").training.iterations
