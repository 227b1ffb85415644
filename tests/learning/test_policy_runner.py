from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from api_server import legal, serving

from marl.errors import ModelError
from marl.learning.policy_runner import PolicyRunners
from marl.learning.sampling import sampler
from marl.policies import LanguageModelPolicy, Policy, build_policies, meters
from marl.policies.bases import Bases
from marl.scenario import load_scenario
from marl.settings import LanguageModelSettings, Scenario
from marl.types import Episode


@pytest.fixture
def scenario() -> Scenario:
    return load_scenario("scout_hunt")


def transcript(episodes: Sequence[Episode]) -> list[Any]:
    return [
        (e.index, e.situation, e.returns, e.messages, [(t.agent, t.text, t.token_ids, t.log_probs) for t in e.turns])
        for e in episodes
    ]


def test_two_actors_give_the_episodes_that_this_process_gives(two_runners: PolicyRunners, scenario: Scenario) -> None:
    policies = build_policies(scenario, seed=1)
    indices = range(3, 3 + 40)
    pool = {"scout_0": ["north", "south"], "partner_0": ["yes"]}
    with sampler(0) as play:
        normal = play(scenario, policies, indices, seed=4)
        scrambled = play(scenario, policies, indices, seed=4, intervention="scrambled", pool=pool)
    assert transcript(two_runners.play(scenario, policies, indices, seed=4)) == transcript(normal)
    again = two_runners.play(scenario, policies, indices, seed=4, intervention="scrambled", pool=pool)
    assert transcript(again) == transcript(scrambled)
    assert transcript(scrambled) != transcript(normal)


def test_new_policies_replace_the_last_ones(two_runners: PolicyRunners, scenario: Scenario) -> None:
    policies = build_policies(scenario, seed=0)
    hunter = policies["hunter"]
    assert isinstance(hunter, LanguageModelPolicy)
    sure: dict[str, Policy] = {"hunter": LanguageModelPolicy("hunter", hunter.model, greedy=True)}
    first = two_runners.play(scenario, policies, range(2), seed=1)
    assert transcript(two_runners.play(scenario, sure, range(2), seed=1)) != transcript(first)
    assert transcript(two_runners.play(scenario, policies, range(2), seed=1)) == transcript(first)


def test_parleys_own_errors_come_back_and_the_actors_live_on(two_runners: PolicyRunners, scenario: Scenario) -> None:
    broken = build_policies(scenario, seed=0)
    assert isinstance(broken["hunter"], LanguageModelPolicy)
    broken["hunter"].model.context = 3
    with pytest.raises(ModelError, match="context of 3"):
        two_runners.play(scenario, broken, range(2), seed=1)
    assert len(two_runners.play(scenario, build_policies(scenario, seed=0), range(2), seed=1)) == 2


def test_what_api_policies_spend_on_actors_is_counted_here(two_runners: PolicyRunners) -> None:
    with serving(legal) as server:
        api = {"kind": "api", "model": "tiny", "base_url": server.url, "concurrency": 1}
        prices = {"input_price": 1, "output_price": 1, "cost_limit": 1.0}
        scenario = load_scenario("scout_hunt", [f"policies.hunter={json.dumps(api | prices)}"])
        policies = build_policies(scenario, seed=0)
        meter = meters(policies.values())["hunter"]
        two_runners.play(scenario, policies, range(33), seed=0)
        assert meter.requests == len(server.requests) == 33 * 4
        assert meter.cost == pytest.approx(meter.requests * 12e-6)
        meter.earlier = 1.0 - meter.cost - 0.0006
        with pytest.raises(ModelError, match="cost_limit=1 is spent"):
            two_runners.play(scenario, policies, range(1000), seed=0)
        # Each of the two may have cut a request off when it gave up, which counts and is no whole request there.
        assert 33 * 4 < len(server.requests) <= meter.requests <= len(server.requests) + 2


def test_adapters_over_one_base_play_there_as_here(two_runners: PolicyRunners) -> None:
    names = ("sender", "receiver")
    lora = load_scenario("lewis", [f"policies.{name}.lora={{rank: 4}}" for name in names])
    bases, generator = Bases(), torch.Generator().manual_seed(0)
    policies: dict[str, Policy] = {}
    for name in names:
        settings = lora.policies[name]
        assert isinstance(settings, LanguageModelSettings)
        policy = bases.learner(name, settings, 0)
        with torch.no_grad():
            for parameter in policy.model.adapter_parameters(name).values():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        policies[name] = policy
    with sampler(0) as play:
        here = play(lora, policies, range(40), seed=4)
        untrained = play(lora, build_policies(lora, seed=0), range(40), seed=4)
    there = two_runners.play(lora, policies, range(40), seed=4)
    assert transcript(there) == transcript(here) != transcript(untrained)
