from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from marl.cli import app
from marl.scenario import packaged_scenarios


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return CliRunner()


def test_list_shows_every_packaged_scenario_with_its_known_optimum(runner: CliRunner) -> None:
    done = runner.invoke(app, ["list"])
    assert done.exit_code == 0
    for name in packaged_scenarios():
        assert name in done.output
    assert re.search(r"scout_hunt.*scout_0, partner_0.*cooperative.*talk → act.*10 each.*5 each", done.output)


def test_play_shows_messages_choices_and_payoffs(runner: CliRunner) -> None:
    arguments = ["play", "scout_hunt", "--seat", "scout_0=tell_and_follow", "--seat", "partner_0=tell_and_follow"]
    done = runner.invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert re.search(r"scout_0 says '.*'", done.output)
    assert "partner_0 plays" in done.output
    assert "payoffs: scout_0 10, partner_0 10" in done.output


def test_a_person_can_take_a_seat(runner: CliRunner) -> None:
    arguments = ["play", "scout_hunt", "--seat", "partner_0=human", "--seat", "scout_0=tell_and_follow"]
    done = runner.invoke(app, arguments, input="hello there\nhare\n")
    assert done.exit_code == 0, done.output
    assert "partner_0 says 'hello there'" in done.output
    assert "partner_0 5" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "scout_hut"], "did you mean 'scout_hunt'"),
        (["run", "scout_hunt", "--set", "training.itrations=3"], "did you mean 'iterations'"),
        (["evaluate", "nowhere"], "not a run directory"),
        (["report", "nowhere"], "not a run directory"),
        (["play", "scout_hunt", "--seat", "ghost_0=human"], "agents here: scout_0, partner_0"),
        (["train", "scout_hunt", "--resume"], "nothing to resume"),
        (["train", "scout_hunt", "--resume", "--seed", "3"], "leave out --seed"),
        (["play", "scout_hunt", "--model", "no/such-folder"], "no/such-folder"),
    ],
)
def test_bad_input_gets_one_message_and_exit_code_2(runner: CliRunner, arguments: list[str], message: str) -> None:
    done = runner.invoke(app, arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
    assert "Traceback" not in done.output
