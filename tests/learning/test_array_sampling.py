from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from marl.errors import EnvError, LearningError
from marl.learning.array_sampling import ArraySampler, Uniform, plays_as_arrays
from marl.learning.features import critic_layout
from marl.policies import build_policies
from marl.scenario import validate_scenario
from marl.seeding import stream
from marl.settings import Scenario


def scenario(**changes: Any) -> Scenario:
    """Clockwork with networks; `changes` replace whole sections."""
    data = {
        "name": "clockwork",
        "title": "Clockwork",
        "kind": "mixed",
        "env": {"entry": "clockwork:Clockwork", "arrays": "clockwork:ClockworkArrays"},
        "channel": {"topology": "none"},
        "seats": {"guest_0": "both", "guest_1": "both"},
        "policies": {"both": {"kind": "network"}},
        "training": {"episodes": 4},
        **changes,
    }
    return validate_scenario(data)


def sampler(given: Scenario, **kwargs: str) -> ArraySampler:
    made = ArraySampler(given, critic_layout(given), build_policies(given, seed=0))
    for key, value in kwargs.items():
        setattr(made.env, key, value)
    return made


def test_a_copys_numbers_are_those_of_its_agents_stream_taken_one_by_one() -> None:
    uniform = Uniform(7, "guest_0", range(3, 5))
    expected = [stream(7, "agent", "guest_0", index) for index in (3, 4)]
    generator = np.random.default_rng(0)
    for _ in range(100):
        wanted = generator.random(2) < 0.7
        numbers = [one.random() if asked else 0.0 for one, asked in zip(expected, wanted, strict=True)]
        assert uniform.take(wanted).tolist() == numbers


def test_arrays_are_for_networks_that_do_not_talk() -> None:
    assert plays_as_arrays(scenario())
    assert not plays_as_arrays(scenario(env={"entry": "clockwork:Clockwork"}))
    assert not plays_as_arrays(scenario(channel={"vocabulary": ["a", "b"]}))
    assert not plays_as_arrays(scenario(policies={"both": {"kind": "language_model"}}))
    assert not plays_as_arrays(scenario(training={"algorithm": "magrpo", "episodes": 4}))


def test_each_iteration_is_new_and_can_be_played_again() -> None:
    made = sampler(scenario())
    plays = [made.play(iteration) for iteration in (0, 1, 0)]
    picks = [np.concatenate(play.moments["guest_0"].picks).tolist() for play in plays]
    assert picks[0] == picks[2] != picks[1]
    assert [play.first for play in plays] == [0, 4, 0]


def test_the_env_is_made_with_the_number_of_episodes_and_the_envs_own_arguments() -> None:
    assert sampler(scenario()).env.count == 4
    refused = scenario(env={"entry": "clockwork:Clockwork", "arrays": "clockwork:ClockworkArrays"})
    refused = refused.model_copy(update={"env": refused.env.model_copy(update={"kwargs": {"size": 3}})})
    with pytest.raises(LearningError, match=r"env\.arrays: .* refuses 4, \{'size': 3\}"):
        ArraySampler(refused, critic_layout(scenario()), build_policies(scenario(), seed=0))


def test_agents_must_be_the_envs_own() -> None:
    given = scenario()
    layout = critic_layout(given)
    swapped = type(layout)(layout.agents[::-1], layout.vector, layout.reads)
    with pytest.raises(LearningError, match="has agents"):
        ArraySampler(given, swapped, build_policies(given, seed=0))


def test_faults_of_the_env_are_named() -> None:
    with pytest.raises(LearningError, match="pays guest_1"):
        sampler(scenario(), fault="nan").play(0)
    with pytest.raises(EnvError, match="guest_0 has no legal action"):
        sampler(scenario(), fault="mask").play(0)
