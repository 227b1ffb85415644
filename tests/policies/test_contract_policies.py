"""Every policy class and every scripted function that ships keeps the protocol, on every kind of view.

A scripted function added to `marl.policies.scripted` is found by itself; one with required arguments names them here.
"""

import dataclasses
import inspect
import sys
from pathlib import Path

import numpy as np
import pytest
from gymnasium import spaces

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from api_server import legal, serving

from marl import policies
from marl.models import LanguageModel
from marl.models.network import PolicyNetwork
from marl.models.recurrent import RecurrentNetwork
from marl.policies import (
    APIPolicy,
    HumanPolicy,
    LanguageModelPolicy,
    NetworkPolicy,
    Policy,
    RecurrentPolicy,
    Remembers,
    ScriptedPolicy,
    scripted,
)
from marl.policies.encoding import Alphabet, Encoding
from marl.settings import APISettings
from marl.types import Decision

REQUIRED = {"constant": {"option": "hare"}}
SCRIPTS = {
    name: function
    for name, function in inspect.getmembers(scripted, inspect.isfunction)
    if function.__module__ == scripted.__name__ and not name.startswith("_")
}


class Yes:
    """A person who always types the first number: the first option, or the word "1" in free talk."""

    def readline(self):
        return "1\n"

    def write(self, text):
        return len(text)

    def flush(self):
        pass


def makers(folder, url):
    """Every policy that ships, by name, as a function that makes it afresh."""
    made = {f"scripted {name}": _scripted(name) for name in SCRIPTS}
    made["api"] = lambda: APIPolicy("hunter", APISettings(kind="api", model="tiny", base_url=url))
    made["human"] = lambda: HumanPolicy("me", Yes(), Yes())
    made["language model"] = lambda: LanguageModelPolicy("hunter", LanguageModel.load(str(folder)))
    made["greedy language model"] = lambda: LanguageModelPolicy("hunter", LanguageModel.load(str(folder)), greedy=True)
    made["network"] = lambda: network()
    made["greedy network"] = lambda: network(greedy=True)
    made["recurrent network"] = lambda: network(recurrent=True)
    return made


def network(*, recurrent=False, **options):
    """A network for the game that the `views` come from."""
    letters = Alphabet({"scout_0": ("north", "south", "north east", "hare"), "partner_0": ("hare",)}, ("ba", "du"))
    seen = {agent: spaces.Box(-1.0, 1.0, (3,), np.float32) for agent in letters.actions}
    encoding = Encoding(letters, ("scout_0",), seen)
    if recurrent:
        remembering = RecurrentNetwork(encoding.inputs, 6, [8], "relu", "gru", seed=0)
        return RecurrentPolicy("hunter", remembering, encoding, **options)
    return NetworkPolicy("hunter", PolicyNetwork(encoding.inputs, 6, [8], "relu", seed=0), encoding, **options)


def _scripted(name):
    return lambda: ScriptedPolicy(name, SCRIPTS[name], **REQUIRED.get(name, {}))


@pytest.fixture(scope="module")
def server():
    """A chat model that answers every prompt with something legal, by the request's seed."""
    with serving(legal) as running:
        yield running


KINDS = ("language model", "network")
NAMES = [*(f"scripted {name}" for name in SCRIPTS), "api", "human", *KINDS, *(f"greedy {kind}" for kind in KINDS)]
NAMES.append("recurrent network")


@pytest.fixture(params=NAMES)
def make_policy(request, model_folder, server):
    return makers(model_folder, server.url)[request.param]


@pytest.fixture
def views(make_policy, views):
    """The views of `conftest`; for a network with numbers to see, and without free talk, which it refuses."""
    if not isinstance(make_policy(), NetworkPolicy):
        return views
    seen = np.array([0.5, -1.0, 0.0], np.float32)
    return [dataclasses.replace(view, observation=seen) for view in views if view.options]


def test_every_policy_class_is_here(model_folder, server):
    made = makers(model_folder, server.url)
    assert set(made) == set(NAMES)
    classes = {value for value in vars(policies).values() if inspect.isclass(value)}
    shipped = classes - {Policy, Remembers}
    assert {type(make()) for make in made.values()} == shipped


def test_every_shipped_script_is_found():
    assert {"random", "constant", "silent", "tell", "follow", "tell_and_follow"} <= set(SCRIPTS)


def test_it_is_a_policy(make_policy):
    policy = make_policy()
    assert isinstance(policy, Policy)
    assert isinstance(policy.name, str)
    assert isinstance(policy.trainable, bool)


def test_one_decision_a_view_that_fits_it(make_policy, views):
    decisions = make_policy().decide(views)
    assert len(decisions) == len(views)
    for view, decision in zip(views, decisions, strict=True):
        assert isinstance(decision, Decision)
        assert isinstance(decision.text, str)
        assert "\n" not in decision.text
        if not view.options:
            assert decision.choice is None
            assert decision.failure is None
        elif decision.failure is None:
            assert decision.choice is not None
            assert view.options[decision.choice] == decision.text
        else:
            assert decision.choice is None


def test_no_views_no_decisions(make_policy):
    assert make_policy().decide([]) == []


def test_the_same_streams_give_the_same_decisions(make_policy, views):
    first = make_policy().decide(views)
    for view in views:
        view.rng.bit_generator.state = np.random.default_rng(0).bit_generator.state
    second = make_policy().decide(views)
    for view in views:
        view.rng.bit_generator.state = np.random.default_rng(0).bit_generator.state
    third = make_policy().decide(views[::-1])[::-1]
    assert len(first) == len(second)
    assert [(d.text, d.choice) for d in second] == [(d.text, d.choice) for d in third]


def test_token_fields_are_filled_by_what_can_be_trained(make_policy, views):
    policy = make_policy()
    for view, decision in zip(views, policy.decide(views), strict=True):
        assert (decision.inputs is not None) == isinstance(policy, NetworkPolicy)
        if not isinstance(policy, LanguageModelPolicy | NetworkPolicy):
            assert decision.prompt_ids == decision.token_ids == decision.option_ids == decision.log_probs == ()
        elif view.options:
            assert len(decision.log_probs) == 1
            assert len(decision.option_ids) == len(view.options)
        else:
            assert 1 <= len(decision.token_ids) == len(decision.log_probs) <= view.budget
