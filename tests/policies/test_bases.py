import pytest
import torch

from marl.errors import ModelError
from marl.policies.bases import Bases, policy_with
from marl.settings import LanguageModelSettings


@pytest.fixture
def settings(model_folder):
    """(keyword arguments) -> settings of a policy over the model on disk."""
    return lambda **words: LanguageModelSettings(**{"model": str(model_folder), **words})


LORA = {"rank": 2, "alpha": 4}


def test_one_model_for_all_that_leave_its_weights_as_they_are(settings):
    bases = Bases()
    first = bases.learner("first", settings(lora=LORA), 1)
    second = bases.learner("second", settings(lora=LORA), 2)
    fixed = bases.get(settings(learn=False), 3)
    assert first.model is second.model is fixed
    assert (first.adapter, second.adapter) == ("first", "second")
    assert fixed.adapters == ("first", "second")
    whole = [bases.learner(name, settings(), 0).model for name in "ab"]
    assert whole[0] is not whole[1]
    assert fixed not in whole


def test_another_precision_and_another_scratch_are_other_models(settings):
    bases = Bases()
    assert bases.get(settings(learn=False), 0) is not bases.get(settings(learn=False, precision="bfloat16"), 0)
    scratch = LanguageModelSettings(model="scratch", learn=False)
    one, same, other = (bases.get(scratch, seed) for seed in (1, 1, 2))
    assert one is same
    assert not torch.equal(*(next(model.network.parameters()) for model in (one, other)))


def test_names_are_given_once_and_hold_no_dot(settings):
    bases = Bases()
    names = [bases.learner("v1.x", settings(lora=LORA), 0).adapter for _ in range(3)]
    assert names == ["v1_x", "v1_x_2", "v1_x_3"]


def test_an_exported_adapter_returns_to_the_base_in_memory(settings, tmp_path, make_view):
    bases = Bases()
    policy = bases.learner("first", settings(lora=LORA), 1)
    with torch.no_grad():
        for parameter in policy.model.adapter_parameters("first").values():
            parameter.add_(0.3)
    policy.export(tmp_path / "first")
    again = bases.exported("first", settings(lora=LORA), 0, tmp_path / "first")
    assert again.model is policy.model
    assert again.adapter == "first_2"
    views = [make_view("act", seed=seed) for seed in range(5)], [make_view("act", seed=seed) for seed in range(5)]
    assert policy.decide(views[0]) == again.decide(views[1])


def test_a_policy_is_what_its_settings_say(settings):
    given = settings(
        learn=False,
        temperature=0.5,
        scoring="token",
        top_k=4,
        top_p=0.9,
        constraint={"kind": "words", "texts": ["north", "south"]},
    )
    policy = policy_with("mine", given, Bases().get(given, 0))
    assert (policy.name, policy.temperature, policy.scoring, policy.top_k, policy.top_p) == (
        "mine",
        0.5,
        "token",
        4,
        0.9,
    )
    assert policy.constraint.texts == ("north", "south")
    assert not policy.trainable


def test_a_text_that_no_reply_can_be_is_refused(settings):
    given = settings(constraint={"kind": "words", "texts": ["two words"]})
    with pytest.raises(ModelError, match="two words"):
        policy_with("mine", given, Bases().get(given, 0))
