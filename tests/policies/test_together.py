"""Policies over one model are one batch for it, and decide what each decides alone."""

import numpy as np
import pytest
import torch

from marl.models import Constraint, LanguageModel
from marl.policies import LanguageModelPolicy, ScriptedPolicy
from marl.policies.together import decide_together, forget


@pytest.fixture
def model(model_folder):
    """A base with two adapters that change its answers."""
    loaded = LanguageModel.load(str(model_folder))
    for number, name in enumerate(("first", "second")):
        loaded.add_adapter(name, rank=4, alpha=8, seed=number)
        generator = torch.Generator().manual_seed(number)
        with torch.no_grad():
            for parameter in loaded.adapter_parameters(name).values():
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return loaded


@pytest.fixture
def calls(model, monkeypatch):
    """The verbs that are called on the model, with the adapters of each call."""
    made = []
    for verb in ("say", "choose"):
        original = getattr(model, verb)

        def noted(*args, verb=verb, original=original, **words):
            made.append((verb, words["adapters"]))
            return original(*args, **words)

        monkeypatch.setattr(model, verb, noted)
    return made


def test_adapters_of_one_model_cost_one_call_of_each_verb(model, calls, make_view):
    names = [None, "first", "second"]
    policies = [LanguageModelPolicy(str(name), model, adapter=name) for name in names]
    views = [make_view("talk" if i < 6 else "act", seed=i) for i in range(12)]
    decisions = decide_together([policies[i % 3] for i in range(12)], views)
    assert calls == [("say", [*names, *names]), ("choose", [*names, *names])]
    for i in range(12):
        view = make_view("talk" if i < 6 else "act", seed=i)
        [alone] = policies[i % 3].decide([view])
        assert (alone.text, alone.choice, alone.token_ids) == (
            decisions[i].text,
            decisions[i].choice,
            decisions[i].token_ids,
        )
        np.testing.assert_allclose(alone.log_probs, decisions[i].log_probs, atol=1e-5)
    assert len({decision.log_probs for decision in decisions[6:9]}) == 3, "the adapters decide differently"


@pytest.mark.parametrize(
    ("other", "says", "chooses"),
    [
        ({"temperature": 0.5}, 2, 2),
        ({"scoring": "sum"}, 1, 2),
        ({"top_k": 3}, 2, 1),
        ({"top_p": 0.5}, 2, 1),
        ({"greedy": True}, 2, 1),
        ({"constraint": Constraint("words", ("north", "south"))}, 2, 1),
        ({"adapter": "second"}, 1, 1),
    ],
)
def test_other_ways_to_decide_are_other_calls(model, calls, make_view, other, says, chooses):
    pair = [LanguageModelPolicy("a", model), LanguageModelPolicy("b", model, **other)]
    views = [make_view(phase, seed=seed) for seed, phase in enumerate(("talk", "talk", "act", "act"))]
    decisions = decide_together([*pair, *pair], views)
    assert [verb for verb, _ in calls] == ["say"] * says + ["choose"] * chooses
    if "constraint" in other:
        assert set(decisions[1].text.split()) <= {"north", "south"}


def test_other_policies_are_asked_once_each_and_answers_keep_their_places(model, make_view):
    asked = []

    def script(name):
        def answer(view):
            asked.append(name)
            return "hare"

        return ScriptedPolicy(name, answer)

    policies = [script("x"), LanguageModelPolicy("a", model), script("y"), script("x")]
    decisions = decide_together(policies, [make_view("act", seed=seed) for seed in range(4)])
    assert asked == ["x", "y", "x"]
    assert [decisions[index].text for index in (0, 2, 3)] == ["hare"] * 3
    assert decisions[1].log_probs
    assert decide_together([], []) == []


def test_a_class_with_a_decide_of_its_own_keeps_it(model, make_view):
    class Stubborn(LanguageModelPolicy):
        def decide(self, views):
            return [decision for view in views for decision in ScriptedPolicy("s", lambda _: "hare").decide([view])]

    policies = [Stubborn("stubborn", model), LanguageModelPolicy("a", model)]
    decisions = decide_together(policies, [make_view("act", seed=seed) for seed in range(2)])
    assert decisions[0].text == "hare"
    assert not decisions[0].log_probs


def test_prompts_are_kept_within_an_episode_and_forgotten_after_it(model, make_view):
    from dataclasses import replace

    policy = LanguageModelPolicy("a", model, adapter="first")
    policy.decide([make_view("act")])
    assert len(model.reader.prefixes) == 0, "no episode, nothing to keep it for"
    policy.decide([replace(make_view("act"), episode=3)])
    assert len(model.reader.prefixes) > 0
    forget([policy], [(4, "scout_0")])
    assert len(model.reader.prefixes) > 0
    forget([policy, ScriptedPolicy("s", lambda _: "")], [(3, "scout_0")])
    assert len(model.reader.prefixes) == 0
