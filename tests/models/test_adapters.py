import numpy as np
import pytest
import torch

from marl.errors import ModelError
from marl.models import LanguageModel, Row
from marl.models.forward import Reading

OPTIONS = ((10, 11), (10, 12), (13,))
AGENTS = ["first", "second", None, "third", "first", None, "second", "third"]


def streams(count):
    return [np.random.default_rng(index) for index in range(count)]


@pytest.fixture
def agents(model):
    """A model with three adapters that differ, and are strong enough to change what is said."""
    for seed, name in enumerate(("first", "second", "third")):
        model.add_adapter(name, rank=4, alpha=8, seed=seed)
        torch.manual_seed(seed)
        for parameter in model.adapter_parameters(name).values():
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def test_a_new_adapter_changes_nothing(model, ragged):
    prompts = ragged(6)
    before = model.choose(prompts, [OPTIONS] * 6)
    model.add_adapter("first")
    np.testing.assert_allclose(model.choose(prompts, [OPTIONS] * 6, adapters=["first"] * 6), before, atol=1e-6)


def test_mixed_rows_are_read_as_each_alone(agents, ragged):
    prompts = ragged(8)
    mixed = agents.choose(prompts, [OPTIONS] * 8, adapters=AGENTS)
    said = agents.say(prompts, [6] * 8, streams(8), adapters=AGENTS)
    for index, (prompt, name) in enumerate(zip(prompts, AGENTS, strict=True)):
        [alone] = agents.choose([prompt], [OPTIONS], adapters=[name])
        np.testing.assert_allclose(mixed[index], alone, atol=1e-5)
        [spoken] = agents.say([prompt], [6], [np.random.default_rng(index)], adapters=[name])
        assert said[index].token_ids == spoken.token_ids
    same = agents.choose(prompts[:1] * 3, [OPTIONS] * 3, adapters=["first", "second", None])
    assert np.abs(same[0] - same[1]).max() > 1e-2
    assert np.abs(same[0] - same[2]).max() > 1e-2


def test_each_adapter_is_what_peft_makes_of_it(agents, ragged):
    prompt = ragged(1)[0]
    for name in ("first", "third"):
        logits, [rows] = agents.reader.read([Reading(prompt, len(prompt) - 1, name)])
        agents.network.enable_adapters()
        agents.network.set_adapter(name)
        with torch.no_grad():
            expected = agents.network(input_ids=torch.tensor([prompt])).logits[0, -1]
        agents.network.disable_adapters()
        torch.testing.assert_close(logits[rows[-1]].detach(), expected, atol=1e-4, rtol=1e-4)


def test_the_base_alone_is_the_base_without_adapters(agents, folders, ragged):
    prompts = ragged(5)
    kind = "gpt2" if "gpt2" in agents.name else "llama"
    plain = LanguageModel.load(str(folders[kind]))
    expected = plain.choose(prompts, [OPTIONS] * 5)
    np.testing.assert_allclose(agents.choose(prompts, [OPTIONS] * 5), expected, atol=1e-6)


def test_training_agrees_with_acting_and_reaches_each_adapter_alone(agents, ragged):
    prompts = ragged(8)
    tables = agents.choose(prompts, [OPTIONS] * 8, adapters=AGENTS)
    said = agents.say(prompts, [5] * 8, streams(8), adapters=AGENTS)
    rows = [Row(p, (), OPTIONS, 1, name) for p, name in zip(prompts, AGENTS, strict=True)]
    rows += [Row(p, u.token_ids, adapter=name) for p, u, name in zip(prompts, said, AGENTS, strict=True)]
    result = agents.log_probs(rows)
    np.testing.assert_allclose(result.log_probs[:8, 0].detach(), [table[1] for table in tables], atol=1e-5)
    for index, utterance in enumerate(said):
        given = result.log_probs[8 + index, : len(utterance.log_probs)].detach()
        np.testing.assert_allclose(given, utterance.log_probs, atol=1e-5)
    mine = torch.tensor([name == "second" for name in AGENTS * 2])
    result.log_probs[mine].sum().backward()
    touched = {
        name: sum(p.grad is not None and bool(p.grad.any()) for p in agents.adapter_parameters(name).values())
        for name in agents.adapters
    }
    assert touched == {"first": 0, "second": len(agents.adapter_parameters("second")), "third": 0}
    base = [p for name, p in agents.network.named_parameters() if "lora_" not in name]
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in base)


def test_a_prompt_is_kept_for_one_adapter_only(agents):
    prompt = tuple(range(20, 50))
    for name in ("first", "second", None, "first"):
        [kept] = agents.choose([prompt], [OPTIONS], adapters=[name], keys=["me"])
        np.testing.assert_allclose(kept, agents.choose([prompt], [OPTIONS], adapters=[name])[0], atol=1e-5)


def test_the_same_seed_gives_the_same_adapter(model):
    model.add_adapter("one", seed=3)
    model.add_adapter("two", seed=3)
    model.add_adapter("other", seed=4)
    one, two, other = (model.adapter_parameters(name) for name in ("one", "two", "other"))
    assert one.keys() == two.keys() == other.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    ("name", "words"),
    [("first", "already"), ("", "non-empty"), ("a.b", "without a dot")],
    ids=["taken", "empty", "dot"],
)
def test_names_that_cannot_be(model, name, words):
    model.add_adapter("first")
    with pytest.raises(ModelError, match=words):
        model.add_adapter(name)


def test_an_unknown_adapter_is_named(agents):
    with pytest.raises(ModelError, match="no adapter 'fourth'; there are: first, second, third"):
        agents.choose([(5, 6)], [OPTIONS], adapters=["fourth"])
