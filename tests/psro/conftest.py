"""`tabular` becomes importable, and run directories are made."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from marl.psro.record import Record
from marl.scenario import load_scenario
from marl.store import RunDirectory

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def make_record(tmp_path: Path) -> Callable[..., Record]:
    """make_record(agents, name="run"): the record in that folder, which is made where it is not there."""

    def make(agents: list[str], name: str = "run") -> Record:
        if not (tmp_path / name).exists():
            RunDirectory.create(tmp_path / name, load_scenario("rock_paper_scissors"))
        return Record(tmp_path / name, agents)

    return make
