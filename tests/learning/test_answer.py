from __future__ import annotations

import json
import pickle
from collections.abc import Iterator

import pytest
from api_server import Server, chat, legal, serving

from marl.errors import ModelError
from marl.learning.answer import answer
from marl.learning.task import Task
from marl.models.api_meter import Meter
from marl.policies import build_policies, meters
from marl.scenario import load_scenario
from marl.settings import Scenario


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(legal) as running:
        yield running


def hunt(server: Server, **settings: float) -> Scenario:
    api = {"kind": "api", "model": "tiny", "base_url": server.url, **settings}
    return load_scenario("scout_hunt", [f"policies.hunter={json.dumps(api)}"])


def test_an_answer_holds_the_episodes_and_what_they_took(server: Server) -> None:
    scenario = hunt(server)
    policies = build_policies(scenario, seed=0)
    first, second = (pickle.loads(pickle.dumps(answer(Task(at, 0), scenario, policies))) for at in ((0, 1), (2,)))
    assert [episode.index for episode in first.episodes() + second.episodes()] == [0, 1, 2]
    assert (first.usage["hunter"]["requests"], second.usage["hunter"]["requests"]) == (8, 4)
    here = meters(build_policies(scenario, seed=0).values())
    first.book(here)
    second.book(here)
    there = meters(policies.values())["hunter"]
    assert here["hunter"].requests == there.requests == len(server.requests) == 12
    assert here["hunter"].seconds == pytest.approx(there.seconds)


def test_an_error_comes_with_what_it_took(server: Server) -> None:
    server.script = lambda request: chat("north", prompt_tokens=100, completion_tokens=1)
    scenario = hunt(server, cost_limit=0.0007, input_price=1.0, output_price=1.0, concurrency=1)
    ended = answer(Task((0, 1), 0), scenario, build_policies(scenario, seed=0))
    assert isinstance(ended.result, ModelError)
    assert ended.usage["hunter"]["requests"] >= len(server.requests) > 0
    with pytest.raises(ModelError, match="cost_limit"):
        ended.episodes()


def test_policies_without_a_meter_use_nothing() -> None:
    scripted = ["policies.hunter={kind: scripted, entry: 'marl.policies.scripted:random'}"]
    scenario = load_scenario("scout_hunt", scripted)
    assert answer(Task((0,), 0), scenario, build_policies(scenario, seed=0)).usage == {}


def test_no_usage_needs_no_meter(server: Server) -> None:
    scenario = hunt(server)
    nothing: dict[str, Meter] = {}
    answer(Task((), 0), scenario, {}).book(nothing)
    assert nothing == {}
