import numpy as np
import pytest
import torch

from marl.errors import ModelError
from marl.models import Constraint, LanguageModel, Row
from marl.policies import LanguageModelPolicy


@pytest.fixture
def model(model_folder):
    return LanguageModel.load(str(model_folder))


def test_recorded_log_probabilities_are_those_that_training_gives(model, views):
    policy = LanguageModelPolicy("hunter", model, temperature=0.7)
    decisions = policy.decide(views)
    rows = [Row(d.prompt_ids, d.token_ids, d.option_ids, d.choice) for d in decisions]
    result = model.log_probs(rows, temperature=0.7)
    for index, decision in enumerate(decisions):
        count = len(decision.log_probs)
        assert result.mask[index].sum() == count
        np.testing.assert_allclose(result.log_probs[index, :count].detach(), decision.log_probs, atol=1e-5)


def test_a_batch_costs_at_most_one_call_of_each_verb(model, views, monkeypatch):
    calls = []
    for verb in ("say", "choose"):
        original = getattr(model, verb)
        monkeypatch.setattr(
            model, verb, lambda *a, verb=verb, original=original, **k: calls.append(verb) or original(*a, **k)
        )
    LanguageModelPolicy("hunter", model).decide(views)
    assert sorted(calls) == ["choose", "say"]


def test_choices_follow_the_distribution(model, make_view):
    view = make_view("act")
    policy = LanguageModelPolicy("hunter", model, temperature=3.0)
    views = [make_view("act", seed=seed) for seed in range(2000)]
    counts = np.bincount([decision.choice for decision in policy.decide(views)], minlength=4) / 2000
    options = [tuple(map(model.encode_reply, view.options))]
    [table] = model.choose([model.encode_prompt(view.prompt)], options, temperature=3.0)
    expected = np.exp(table)
    assert (np.abs(counts - expected) < 4 * np.sqrt(expected * (1 - expected) / 2000) + 1e-3).all()


def test_greedy_takes_the_likeliest_and_draws_nothing(model, make_view):
    view = make_view("act")
    before = view.rng.bit_generator.state
    [decision] = LanguageModelPolicy("hunter", model, greedy=True).decide([view])
    [table] = model.choose([decision.prompt_ids], [decision.option_ids])
    assert decision.choice == table.argmax()
    assert view.rng.bit_generator.state == before


def test_exported_folder_decides_the_same(model, views, make_view, tmp_path):
    policy = LanguageModelPolicy("hunter", model)
    policy.export(tmp_path / "hunter")
    again = LanguageModelPolicy.load("hunter", tmp_path / "hunter")
    mine = policy.decide([make_view("act", seed=seed) for seed in range(20)])
    theirs = again.decide([make_view("act", seed=seed) for seed in range(20)])
    assert mine == theirs


def test_loading_what_is_not_there(tmp_path):
    with pytest.raises(ModelError, match="no folder"):
        LanguageModelPolicy.load("hunter", tmp_path / "nobody")


def test_options_that_become_the_same_tokens_are_refused(model, make_view):
    with pytest.raises(ModelError, match="twice"):
        LanguageModelPolicy("hunter", model).decide([make_view("act", options=("north", " north"))])


def test_an_exported_adapter_decides_the_same(model, make_view, tmp_path):
    model.add_adapter("hunter", rank=2, alpha=4)
    with torch.no_grad():
        for parameter in model.adapter_parameters("hunter").values():
            parameter.add_(0.3)
    policy = LanguageModelPolicy("hunter", model, adapter="hunter")
    policy.export(tmp_path / "hunter")
    again = LanguageModelPolicy.load("hunter", tmp_path / "hunter")
    mine, theirs, base = (
        each.decide([make_view("act", seed=seed) for seed in range(20)])
        for each in (policy, again, LanguageModelPolicy("base", model))
    )
    assert mine == theirs
    assert mine != base


@pytest.mark.parametrize("scoring", ["step", "sum", "token", "word"])
def test_recorded_choices_are_of_the_policys_scoring(model, make_view, scoring):
    policy = LanguageModelPolicy("hunter", model, temperature=0.7, scoring=scoring)
    [decision] = policy.decide([make_view("act")])
    row = Row(decision.prompt_ids, decision.token_ids, decision.option_ids, decision.choice)
    given = model.log_probs([row], temperature=0.7, scoring=scoring).log_probs
    np.testing.assert_allclose(given[0].detach(), decision.log_probs, atol=1e-5)


def test_free_talk_keeps_to_the_constraint_and_training_knows_it(model, make_view):
    constraint = Constraint("vocabulary", ("north", "south"))
    policy = LanguageModelPolicy("hunter", model, constraint=constraint)
    decisions = policy.decide([make_view("talk", seed=seed, budget=12) for seed in range(8)])
    assert {decision.text for decision in decisions} == {"north", "south"}
    rows = [Row(decision.prompt_ids, decision.token_ids) for decision in decisions]
    result = model.log_probs(rows, constraint=constraint)
    for index, decision in enumerate(decisions):
        count = len(decision.log_probs)
        np.testing.assert_allclose(result.log_probs[index, :count].detach(), decision.log_probs, atol=1e-5)


def test_another_model_in_its_place_has_no_adapter(model, model_folder):
    model.add_adapter("hunter", rank=2, alpha=4)
    policy = LanguageModelPolicy("hunter", model, 0.5, adapter="hunter", scoring="sum")
    other = policy.with_model(LanguageModel.load(str(model_folder)))
    assert (other.temperature, other.scoring, other.adapter) == (0.5, "sum", None)
    assert (policy.model, policy.adapter) == (model, "hunter")
