import copy
import pickle

import numpy as np
import pytest
import torch

from marl.models import LanguageModel
from marl.models.decoder import FAMILIES, LARGE, QUERIES, ROWS, Decoder, _attend, _normed
from marl.models.forward import Reader


def streams(count):
    return [np.random.default_rng(index) for index in range(count)]


def test_known_families_step_fast_and_no_others(family_model):
    known = family_model.network.config.model_type in FAMILIES
    assert (family_model.reader.decoder is not None) == known


def test_texts_are_those_of_the_networks_own_step(family_model, ragged):
    reader = family_model.reader
    if reader.decoder is None:
        return
    prompts = [tuple(token % 200 + 10 for token in prompt) for prompt in ragged(16, seed=2)]
    fast = family_model.say(prompts, [8] * 16, streams(16))
    kept, reader.decoder = reader.decoder, None
    try:
        plain = family_model.say(prompts, [8] * 16, streams(16))
    finally:
        reader.decoder = kept
    assert [said.token_ids for said in fast] == [said.token_ids for said in plain]
    for one, other in zip(fast, plain, strict=True):
        np.testing.assert_allclose(one.log_probs, other.log_probs, atol=1e-5)


def test_it_is_used(llama, monkeypatch):
    steps = []
    own = Decoder.__call__
    monkeypatch.setattr(Decoder, "__call__", lambda self, *given: steps.append(1) or own(self, *given))
    [said] = llama.say([(5, 6, 7)], [6], streams(1))
    assert len(steps) == len(said.token_ids)  # the prompt, and each token but the last


def test_a_network_that_does_more_is_not_stepped_fast(llama):
    llama.network.model.layers[0].register_forward_hook(lambda module, arguments, output: output * 1.01)
    reader = Reader(llama.network)
    assert reader.cached
    assert reader.decoder is None


def test_half_precision_steps_plainly(folders):
    assert LanguageModel.load(str(folders["llama"]), precision="bfloat16").reader.decoder is None


def test_what_is_packed_follows_the_weights(llama):
    prompts, budgets = [(5, 6, 7), (8, 9), (10, 11), (12, 13)], [6] * 4
    llama.say(prompts, budgets, streams(4))
    with torch.no_grad():
        for parameter in llama.network.parameters():
            parameter.mul_(1.3)
    packed = llama.say(prompts, budgets, streams(4))
    llama.reader.decoder = None
    plain = llama.say(prompts, budgets, streams(4))
    assert [said.token_ids for said in packed] == [said.token_ids for said in plain]
    for one, other in zip(packed, plain, strict=True):
        np.testing.assert_allclose(one.log_probs, other.log_probs, atol=1e-5)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_model_that_has_spoken_can_be_copied_and_sent(llama, copied):
    prompts, budgets = [(5, 6, 7), (8, 9), (10, 11), (12, 13)], [6] * 4
    said = llama.say(prompts, budgets, streams(4))
    assert copied(llama).say(prompts, budgets, streams(4)) == said


def test_nothing_is_packed_once_the_texts_are_said(llama):
    prompts = [(token, token + 1) for token in range(5, 9)]
    llama.say(prompts, [3] * 4, streams(4))
    before = llama.choose(prompts, [((5,), (6,))] * 4)
    with torch.no_grad():
        llama.reader.head.weight.mul_(0.0)
    after = llama.choose(prompts, [((5,), (6,))] * 4)
    assert not np.allclose(before, after)
    np.testing.assert_allclose(after, np.log(0.5), atol=1e-6)


def test_adapters_that_come_later_are_not_passed_by(llama):
    prompts = [(token, token + 1) for token in range(5, 9)]
    before = llama.choose(prompts, [((5,), (6,))] * 4)
    llama.add_adapter("own")
    with torch.no_grad():
        for parameter in llama.adapter_parameters("own").values():
            parameter.normal_()
    after = llama.choose(prompts, [((5,), (6,))] * 4, adapters=["own"] * 4)
    base = llama.choose(prompts, [((5,), (6,))] * 4)
    np.testing.assert_allclose(base, before, atol=1e-6)
    assert np.abs(np.array(after) - np.array(before)).max() > 1e-3


@pytest.mark.parametrize("heads", [(4, 4), (4, 2)])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(("count", "past"), [(1, 30), (1, 90), (5, 0), (3 * QUERIES, 0), (2 * QUERIES + 1, 17)])
def test_attention_in_parts_is_attention(heads, masked, count, past):
    generator = torch.Generator().manual_seed(0)
    rows, total = ROWS, past + count
    queries = torch.randn(rows, heads[0], count, 8, generator=generator)
    keys, values = (torch.randn(rows, heads[1], total, 8, generator=generator) for _ in range(2))
    seen = torch.ones(count, total, dtype=torch.bool).tril(past).expand(rows, 1, -1, -1)
    if masked:
        seen = seen & (torch.rand(rows, 1, count, total, generator=generator) < 0.7)
        seen = seen | torch.eye(total, dtype=torch.bool)[past:]
    keys_of_all, values_of_all = (part.repeat_interleave(heads[0] // heads[1], dim=1) for part in (keys, values))
    scores = (queries @ keys_of_all.transpose(-1, -2) * 0.3).masked_fill(~seen, -torch.inf)
    mask = torch.zeros(seen.shape).masked_fill(~seen, -torch.inf) if masked else None
    given = _attend(queries, keys, values, mask, 0.3)
    torch.testing.assert_close(given, scores.softmax(-1) @ values_of_all, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("rows", [3, LARGE // 256 + 1])
def test_norms_of_few_and_many_rows_are_root_mean_squares(rows):
    norm = torch.nn.RMSNorm(256, eps=1e-5)
    x = torch.randn(rows, 256, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(0.5, 2.0, 256))
        exact = x.double() / (x.double().pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * norm.weight.double()
        torch.testing.assert_close(_normed(norm, x).double(), exact, atol=1e-6, rtol=1e-6)
