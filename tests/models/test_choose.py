"""`choose` against a scorer that walks each option by itself, one plain forward a token, and knows no trie."""

import numpy as np
import pytest
import torch

from marl.models import Row
from marl.models.scoring import entropy

LISTS = {
    "one token each": ((10,), (11,), (12,)),
    "shared stems": ((10, 11, 12), (10, 11, 13), (10, 14), (15, 16)),
    "prefixes of each other": ((10,), (10, 11), (10, 11, 12), (13,)),
    "single": ((10, 11),),
    "common beginning": ((10, 11, 12), (10, 11, 13)),
}


def one_by_one(plain_log_probs, network, prompt, options, stop_id, temperature=1.0):
    """Log-probabilities [O]: at each token, the network's distribution over what any option could go on with there."""
    is_prefix = [any(o != p and p[: len(o)] == o for p in options) for o in options]
    ended = [(*o, stop_id) if short else o for o, short in zip(options, is_prefix, strict=True)]
    totals = []
    for option in ended:
        total = torch.zeros((), dtype=network.dtype)
        for depth, token in enumerate(option):
            allowed = sorted({o[depth] for o in ended if len(o) > depth and o[:depth] == option[:depth]})
            log_probs = plain_log_probs(network, prompt + option[:depth], temperature)[allowed]
            total = total + log_probs.log_softmax(-1)[allowed.index(token)]
        totals.append(total)
    return torch.stack(totals)


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_equals_one_by_one_scoring(model, ragged, plain_log_probs, temperature):
    prompts = ragged(20)
    lists = [list(LISTS.values())[index % len(LISTS)] for index in range(20)]
    given = model.choose(prompts, lists, temperature=temperature)
    for prompt, options, result in zip(prompts, lists, given, strict=True):
        with torch.no_grad():
            expected = one_by_one(plain_log_probs, model.network, prompt, options, model.stop_id, temperature)
        np.testing.assert_allclose(result, expected.numpy(), atol=1e-5)
        assert np.exp(result).sum() == pytest.approx(1.0, abs=1e-5)


def test_equals_one_by_one_scoring_in_float64_with_gradients(exact_model, ragged, plain_log_probs):
    network = exact_model.network
    prompts, lists = ragged(8, seed=1), [list(LISTS.values())[index % len(LISTS)] for index in range(8)]
    picks = [index % len(options) for index, options in enumerate(lists)]
    given = exact_model.choose(prompts, lists)
    rows = [Row(p, (), options, pick) for p, options, pick in zip(prompts, lists, picks, strict=True)]
    network.zero_grad()
    exact_model.log_probs(rows).log_probs.sum().backward()
    gradients = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    network.zero_grad()
    total = torch.zeros((), dtype=torch.float64)
    for prompt, options, pick, result in zip(prompts, lists, picks, given, strict=True):
        expected = one_by_one(plain_log_probs, network, prompt, options, exact_model.stop_id)
        np.testing.assert_allclose(result, expected.detach().numpy(), atol=1e-9)
        total = total + expected[pick]
    total.backward()
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, atol=1e-8, rtol=1e-6)


def test_order_of_the_list_does_not_matter(model):
    options = LISTS["prefixes of each other"]
    forward, backward = model.choose([(5, 6)] * 2, [options, options[::-1]])
    np.testing.assert_allclose(forward, backward[::-1], atol=1e-6)


def test_neighbors_and_repeats_change_nothing(model, ragged):
    prompts, options = ragged(16, seed=2), LISTS["shared stems"]
    together = model.choose(prompts, [options] * 16)
    alone = [model.choose([prompt], [options])[0] for prompt in prompts]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_an_option_whose_token_is_zero_counts_like_any_other(model, plain_log_probs):
    options = ((0,), (11, 0), (11, 12))
    with torch.no_grad():
        expected = one_by_one(plain_log_probs, model.network, (5, 6), options, model.stop_id)
    np.testing.assert_allclose(model.choose([(5, 6)], [options])[0], expected.numpy(), atol=1e-5)


def test_single_option_is_certain(model):
    assert model.choose([(5, 6)], [((10, 11),)])[0].tolist() == [0.0]


def test_entropy_of_a_uniform_distribution():
    assert entropy(torch.full((4,), 0.25).log()).item() == pytest.approx(np.log(4))


@pytest.mark.parametrize("scoring", ["step", "sum"])
def test_large_requests_are_split_without_changing_anything(model, ragged, monkeypatch, scoring):
    prompts, lists = ragged(12, seed=3), [list(LISTS.values())[index % len(LISTS)] for index in range(12)]
    together = model.choose(prompts, lists, scoring=scoring)
    monkeypatch.setattr("marl.models.choose.LOGITS_A_READ", 4000)
    apart = model.choose(prompts, lists, scoring=scoring)
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_nothing_asked_is_nothing_answered(model):
    assert model.choose([], []) == []
