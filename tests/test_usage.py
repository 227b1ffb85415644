from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from marl.errors import ModelError
from marl.models.api_meter import Meter, Usage
from marl.scenario import load_scenario
from marl.settings import APISettings
from marl.store import RunDirectory
from marl.usage import keep, metering, used

API: dict[str, Any] = {"kind": "api", "model": "tiny", "input_price": 1.0, "output_price": 2.0, "cost_limit": 5.0}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "run", load_scenario("scout_hunt", [f"policies.hunter={json.dumps(API)}"]))


@pytest.fixture
def new_meter() -> Callable[[], Meter]:
    return lambda: Meter("hunter", APISettings(**API))


def spend(meter: Meter, millions: float) -> None:
    meter.reserve(millions)
    meter.settle(millions, 1.5, Usage(int(millions * 1_000_000), 0))


def test_a_run_without_api_policies_has_no_file(run: RunDirectory) -> None:
    with metering(run, "evaluate", {}):
        pass
    keep(run, "twin", {})
    assert used(run) == {}
    assert not run.has("usage.json")


def test_steps_add_up_and_share_one_limit(run: RunDirectory, new_meter: Callable[[], Meter]) -> None:
    for step, cost in (("evaluate", 1.0), ("analyze", 2.0), ("evaluate", 1.5)):
        meter = new_meter()
        with metering(run, step, {"hunter": meter}):
            spend(meter, cost)
    steps = used(run)
    assert {step: (held["hunter"]["requests"], held["hunter"]["cost"]) for step, held in steps.items()} == {
        "evaluate": (2, 2.5),
        "analyze": (1, 2.0),
    }
    total = run.read_json("usage.json")["total"]["hunter"]
    assert (total["requests"], total["cost"], total["seconds"], total["model"]) == (3, 4.5, 4.5, "tiny")
    assert total["summary"].startswith("hunter (tiny): 3 requests in 4.5 s")
    assert "cost 4.5000 (limit 5)" in total["summary"]
    late = new_meter()
    with metering(run, "analyze", {"hunter": late}), pytest.raises(ModelError, match=r"4\.500000 of cost_limit=5"):
        spend(late, 1.0)


def test_a_step_that_breaks_off_is_counted(run: RunDirectory, new_meter: Callable[[], Meter]) -> None:
    meter = new_meter()

    def broken_off() -> None:
        with metering(run, "train", {"hunter": meter}):
            spend(meter, 1.0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert used(run)["train"]["hunter"]["cost"] == 1.0


def test_kept_records_replace_those_of_the_step(run: RunDirectory, new_meter: Callable[[], Meter]) -> None:
    meter = new_meter()
    spend(meter, 1.0)
    for _ in range(2):
        keep(run, "twin", {"hunter": meter.record()})
    assert run.read_json("usage.json")["total"]["hunter"]["cost"] == 1.0
    again = new_meter()
    with metering(run, "evaluate", {"hunter": again}):
        assert again.spent == 1.0


def test_what_may_have_been_spent_counts_towards_the_limit(run: RunDirectory, new_meter: Callable[[], Meter]) -> None:
    meter = new_meter()
    with metering(run, "evaluate", {"hunter": meter}):
        meter.reserve(3.0)
        meter.settle(3.0, 60.0, None)
    after = new_meter()
    with metering(run, "analyze", {"hunter": after}):
        assert after.spent == 3.0
