"""Every command in the README is run, in the order in which it stands there, in an empty folder.

In this process, but for one: starting Python for each would take longer than all that they do.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from marl.cli import app

ROOT = Path(__file__).parent.parent
# Training is shortened so that the fast suite stays fast; the slow suite runs `marl run scout_hunt` as it stands.
SHORT = [
    *("training.iterations=2", "training.episodes=8", "training.evaluation_episodes=4", "training.evaluate_every=2"),
    *("training.checkpoint_every=1", "evaluation.episodes=8", "analysis.episodes=4"),
]
SHORT_REFINE = ["--budget", "16"]
SHORT_PSRO = ["psro.iterations=1", "psro.episodes=4", "psro.training.iterations=1", "psro.training.episodes=8"]
MAKE_TARGETS = {"demo", "test", "test-slow", "check"}


def commands() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:bash|console|sh)\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.split("  #")[0].strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def test_readme_has_the_two_commands_that_do_all_the_set_up() -> None:
    assert {"make demo", "make test"} <= set(commands())


def test_make_commands_exist_and_demo_is_marl_run_scout_hunt() -> None:
    quiet = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}  # this may run under make
    for command in commands():
        if command.startswith("make "):
            target = command.split()[1]
            assert target in MAKE_TARGETS
            recipe = subprocess.run(
                ["make", "--no-print-directory", "-n", target],
                cwd=ROOT,
                env=quiet,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            assert recipe.strip()
            if target == "demo":
                assert recipe.strip().endswith("marl run scout_hunt")


def marl_commands() -> list[list[str]]:
    """The words after `marl`, shortened where the command trains or plays long."""
    found = []
    for words in map(shlex.split, commands()):
        if words[0] in {"marl", ".venv/bin/marl"}:
            short = SHORT if words[1] in {"run", "train"} else SHORT_PSRO if words[1] == "psro" else []
            refine = SHORT_REFINE if "--refine" in words else []
            found.append([*words[1:], *(part for setting in short for part in ("--set", setting)), *refine])
    return found


@pytest.mark.timeout(280)
def test_every_marl_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(marl_commands()) >= 7, "the README shows all commands of `marl`"
    for words in marl_commands():
        done = CliRunner().invoke(app, words, input="")
        assert done.exit_code == 0, f"{words}\n{done.output}\n{done.exception!r}"


def test_the_command_is_installed_and_lists_the_scenarios(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["marl", "list"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "scout_hunt" in done.stdout


def test_the_engine_page_runs_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    exec(compile(code, "engine.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == ["[1. 0. 0.]", "['red', 'blue']"]
