"""Options scored by their whole probability, an option's log-probability over its tokens or its words."""

import numpy as np
import plain
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marl.errors import ModelError
from marl.models import Row

SCORINGS = ["sum", "token", "word"]
WORDS = ["north", "north east", "north east hare", "n", "one two three", "über, 42 %", "choose"]
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5, unique=True)
questions = st.lists(st.sampled_from(["Say:", "go", "Choose: north, hare", "scout_0: the"]), min_size=1, max_size=4)
temperatures = st.sampled_from([1.0, 0.6, 2.0])


def examples(count):
    return settings(max_examples=count, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


def lengths(model, options, scoring):
    if scoring == "word":
        return [max(1, len(model.decode(option).split())) for option in options]
    return [1 if scoring == "sum" else len(option) for option in options]


def expected_scores(model, look_up, prompt, options, scoring):
    """[O]: softmax over the options of their summed log-probabilities over the whole vocabulary, per unit of length."""
    sums = torch.stack([plain.said_scores(look_up, prompt, option).sum() for option in options])
    return (sums / torch.tensor(lengths(model, options, scoring), dtype=sums.dtype)).log_softmax(-1)


def encoded(model, prompts, words):
    return [model.encode_prompt(text) for text in prompts], tuple(model.encode_reply(word) for word in words)


@examples(4)
@given(prompts=questions, words=texts, temperature=temperatures)
def test_equals_one_by_one_scoring(family_model, prompts, words, temperature):
    prompts, options = encoded(family_model, prompts, words)
    look_up = plain.table(family_model.network, temperature)
    for scoring in SCORINGS:
        ours = family_model.choose(prompts, [options] * len(prompts), scoring=scoring, temperature=temperature)
        for prompt, result in zip(prompts, ours, strict=True):
            with torch.no_grad():
                truth = expected_scores(family_model, look_up, prompt, options, scoring)
            np.testing.assert_allclose(result, truth.numpy(), atol=5e-5, rtol=1e-6)
            assert np.exp(result).sum() == pytest.approx(1.0, abs=1e-5)


@examples(3)
@given(prompts=questions, words=texts, temperature=temperatures)
def test_values_and_gradients_are_exact_in_float64(exact_family, prompts, words, temperature):
    prompts, options = encoded(exact_family, prompts[:2], words)
    picks = [index % len(options) for index in range(len(prompts))]
    rows = [Row(prompt, (), options, pick) for prompt, pick in zip(prompts, picks, strict=True)]
    look_up = plain.table(exact_family.network, temperature)
    objective = expected = torch.zeros((), dtype=torch.float64)
    for weight, scoring in enumerate(SCORINGS, start=1):
        acted = exact_family.choose(prompts, [options] * len(prompts), scoring=scoring, temperature=temperature)
        trained = exact_family.log_probs(rows, scoring=scoring, temperature=temperature)
        objective = objective + weight * (trained.log_probs.sum() + 0.1 * trained.entropy.sum())
        for index, (prompt, pick) in enumerate(zip(prompts, picks, strict=True)):
            truth = expected_scores(exact_family, look_up, prompt, options, scoring)
            spread = -(truth.exp() * truth).sum()
            expected = expected + weight * (truth[pick] + 0.1 * spread)
            np.testing.assert_allclose(acted[index], truth.detach().numpy(), atol=1e-9)
            assert trained.log_probs[index, 0].item() == pytest.approx(truth[pick].item(), abs=1e-9)
            assert trained.entropy[index, 0].item() == pytest.approx(spread.item(), abs=1e-9)
    ours, alone = plain.gradients(exact_family.network, objective), plain.gradients(exact_family.network, expected)
    for name, gradient in alone.items():
        torch.testing.assert_close(ours.get(name, torch.zeros_like(gradient)), gradient, atol=1e-8, rtol=1e-8, msg=name)


@pytest.mark.parametrize("scoring", SCORINGS)
@examples(3)
@given(prompts=questions, words=texts, order=st.randoms(use_true_random=False))
def test_order_and_neighbors_do_not_matter(family_model, scoring, prompts, words, order):
    prompts, options = encoded(family_model, prompts, words)
    moved = order.sample(range(len(options)), len(options))
    together = family_model.choose(prompts, [options] * len(prompts), scoring=scoring)
    for prompt, scores in zip(prompts, together, strict=True):
        [alone] = family_model.choose([prompt], [tuple(options[k] for k in moved)], scoring=scoring)
        np.testing.assert_allclose(alone, scores[moved], atol=2e-5)


@pytest.mark.parametrize("scoring", SCORINGS)
def test_training_agrees_with_acting(family_model, scoring):
    prompts, options = encoded(family_model, ["Say:", "go north", "Choose: one, two, three"], WORDS)
    rows = [Row(prompt, (), options, pick) for prompt in prompts for pick in range(len(options))]
    acted = np.concatenate(family_model.choose(prompts, [options] * 3, scoring=scoring, temperature=0.7))
    with torch.no_grad():
        trained = family_model.log_probs(rows[::-1], scoring=scoring, temperature=0.7).log_probs[:, 0]
    np.testing.assert_allclose(trained.numpy()[::-1], acted, atol=1e-5)


def test_a_prefix_keeps_its_plain_sum(family_model):
    """No stop token is added: what a longer option has on top can only make it less likely."""
    prompt = family_model.encode_prompt("Say:")
    options = ((20,), (20, 21), (20, 21, 22))
    [scores] = family_model.choose([prompt], [options], scoring="sum")
    with torch.no_grad():
        look_up = plain.table(family_model.network)
        added = [look_up((*prompt, 20))[21].item(), look_up((*prompt, 20, 21))[22].item()]
    np.testing.assert_allclose(np.diff(scores), added, atol=2e-5)
    assert scores.argmax() == 0


def test_scorings_differ(family_model):
    prompts, options = encoded(family_model, ["Say:"], WORDS)
    results = [family_model.choose(prompts, [options], scoring=scoring)[0] for scoring in ["step", *SCORINGS]]
    for index, result in enumerate(results):
        for other in results[:index]:
            assert np.abs(result - other).max() > 1e-2


def test_stepwise_is_what_is_meant_without_a_word(family_model):
    prompts, options = encoded(family_model, ["Say:"], WORDS)
    [meant], [named] = family_model.choose(prompts, [options]), family_model.choose(prompts, [options], scoring="step")
    assert meant.tolist() == named.tolist()


@pytest.mark.parametrize("scoring", SCORINGS)
def test_a_single_option_is_certain(family_model, scoring):
    assert family_model.choose([(5, 6)], [((20, 21),)], scoring=scoring)[0].tolist() == [0.0]
    result = family_model.log_probs([Row((5, 6), (), ((20, 21),), 0)], scoring=scoring)
    assert result.log_probs.tolist() == [[0.0]]
    result.log_probs.sum().backward()


def test_an_option_without_a_word_counts_as_one(family_model):
    blank = next(token for token in range(300) if token != family_model.stop_id and not family_model.decode((token,)))
    options = ((blank,), family_model.encode_reply("north"))
    by_word, by_sum = (family_model.choose([(5, 6)], [options], scoring=scoring)[0] for scoring in ("word", "sum"))
    np.testing.assert_allclose(by_word, by_sum, atol=1e-6)


def test_said_rows_are_the_same_under_every_scoring(family_model):
    row = Row((5, 6, 7), (20, 21, family_model.stop_id))
    with torch.no_grad():
        results = [family_model.log_probs([row], scoring=scoring).log_probs.tolist() for scoring in ["step", *SCORINGS]]
    assert results[1:] == results[:-1]


def test_unknown_scorings_are_refused(llama):
    with pytest.raises(ModelError, match="scoring"):
        llama.choose([(5, 6)], [((20,), (21,))], scoring="mean")
    with pytest.raises(ModelError, match="scoring"):
        llama.log_probs([Row((5, 6), (), ((20,), (21,)), 0)], scoring="mean")


def test_an_option_too_long_for_the_context_is_refused(family_model, monkeypatch):
    monkeypatch.setattr(family_model, "context", 40)
    room = family_model.context - 3
    fits, long = tuple(range(20, 20 + 3)), tuple(range(20, 20 + 5))
    prompt = (20,) * room
    family_model.choose([prompt], [(fits, (30,))], scoring="sum")
    with pytest.raises(ModelError, match="context"):
        family_model.choose([prompt], [(long, (30,))], scoring="sum")
