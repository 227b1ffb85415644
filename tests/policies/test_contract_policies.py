"""Every policy class and every scripted function that ships keeps the protocol, on every kind of view.

A scripted function added to `marl.policies.scripted` is found by itself; one with required arguments names them here.
"""

import inspect

import numpy as np
import pytest

from marl.models import LanguageModel
from marl.policies import HumanPolicy, LanguageModelPolicy, Policy, ScriptedPolicy, scripted
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


def makers(folder):
    """Every policy that ships, by name, as a function that makes it afresh."""
    made = {f"scripted {name}": _scripted(name) for name in SCRIPTS}
    made["human"] = lambda: HumanPolicy("me", Yes(), Yes())
    made["language model"] = lambda: LanguageModelPolicy("hunter", LanguageModel.load(str(folder)))
    made["greedy language model"] = lambda: LanguageModelPolicy("hunter", LanguageModel.load(str(folder)), greedy=True)
    return made


def _scripted(name):
    return lambda: ScriptedPolicy(name, SCRIPTS[name], **REQUIRED.get(name, {}))


@pytest.fixture(params=[*(f"scripted {name}" for name in SCRIPTS), "human", "language model", "greedy language model"])
def make_policy(request, model_folder):
    return makers(model_folder)[request.param]


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


def test_token_fields_are_filled_by_language_models_only(make_policy, views):
    policy = make_policy()
    for view, decision in zip(views, policy.decide(views), strict=True):
        if not isinstance(policy, LanguageModelPolicy):
            assert decision.prompt_ids == decision.token_ids == decision.option_ids == decision.log_probs == ()
        elif view.options:
            assert len(decision.log_probs) == 1
            assert len(decision.option_ids) == len(view.options)
        else:
            assert 1 <= len(decision.token_ids) == len(decision.log_probs) <= view.budget
