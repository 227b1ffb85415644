import numpy as np
import pytest
import torch

from marl.models import LanguageModel


def streams(count, seed=0):
    return [np.random.default_rng([seed, index]) for index in range(count)]


def one_row(plain_log_probs, network, prompt, budget, rng, stops, temperature):
    """Sampling as a text book has it: one plain forward a token, one draw a token."""
    tokens, scores = [], []
    while len(tokens) < budget:
        log_probs = plain_log_probs(network, (*prompt, *tokens), temperature).numpy()
        cumulative = np.exp(log_probs.astype(np.float64)).cumsum()
        token = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
        tokens.append(token)
        scores.append(float(log_probs[token]))
        if token in stops:
            break
    return tokens, scores


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_equals_sampling_each_row_by_itself(model, ragged, plain_log_probs, temperature):
    prompts = ragged(20)
    budgets = [1 + index % 6 for index in range(20)]
    said = model.say(prompts, budgets, streams(20), temperature=temperature)
    with torch.no_grad():
        for prompt, budget, rng, utterance in zip(prompts, budgets, streams(20), said, strict=True):
            tokens, scores = one_row(
                plain_log_probs, model.network, prompt, budget, rng, {model.stop_id, 1}, temperature
            )
            assert list(utterance.token_ids) == tokens
            np.testing.assert_allclose(utterance.log_probs, scores, atol=1e-5)


def test_greedy_equals_generate(model, ragged):
    for prompt in ragged(12, seed=3):
        expected = model.network.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=12,
            do_sample=False,
            eos_token_id=[model.stop_id, 1],
            pad_token_id=0,
        )[0, len(prompt) :].tolist()
        [utterance] = model.say([prompt], [12], streams(1), greedy=True)
        assert list(utterance.token_ids) == expected


def test_greedy_batch_equals_greedy_rows(model, ragged):
    prompts = ragged(20, seed=4)
    together = model.say(prompts, [10] * 20, streams(20), greedy=True)
    alone = [model.say([prompt], [10], streams(1), greedy=True)[0] for prompt in prompts]
    assert [said.token_ids for said in together] == [said.token_ids for said in alone]


def test_a_row_depends_on_its_own_stream_only(model, ragged):
    prompts = ragged(10, seed=5)
    together = model.say(prompts, [6] * 10, streams(10))
    backwards = model.say(prompts[::-1], [6] * 10, streams(10)[::-1])
    assert [said.token_ids for said in together] == [said.token_ids for said in backwards[::-1]]


def test_one_draw_a_token(model):
    rng = np.random.default_rng(0)
    [said] = model.say([(5, 6, 7)], [5], [rng])
    other = np.random.default_rng(0)
    other.random(len(said.token_ids))
    assert rng.random() == other.random()


def test_a_stop_token_is_last_and_the_budget_adds_none(model):
    said = model.say([(5, 6)] * 200, [8] * 200, streams(200))
    lengths = {len(utterance.token_ids) for utterance in said}
    stops = {model.stop_id, 1}
    assert max(lengths) == 8
    for utterance in said:
        assert not stops & set(utterance.token_ids[:-1])
        assert len(utterance.token_ids) == 8 or utterance.token_ids[-1] in stops
        assert len(utterance.log_probs) == len(utterance.token_ids)


def test_frequencies_follow_the_distribution(llama, plain_log_probs):
    said = llama.say([(5, 6)] * 4000, [1] * 4000, streams(4000))
    with torch.no_grad():
        expected = plain_log_probs(llama.network, (5, 6)).exp().numpy()
    counts = np.bincount([utterance.token_ids[0] for utterance in said], minlength=len(expected))
    error = 4 * np.sqrt(expected * (1 - expected) * 4000) + 1
    assert (np.abs(counts - 4000 * expected) <= error).all()


def test_networks_without_tree_attention_say_the_same(model: LanguageModel, ragged):
    prompts = ragged(20, seed=6)
    shared = model.say(prompts, [6] * 20, streams(20))
    model.reader.share = False
    assert model.say(prompts, [6] * 20, streams(20)) == pytest.approx(shared) or [
        said.token_ids for said in model.say(prompts, [6] * 20, streams(20))
    ] == [said.token_ids for said in shared]


def test_budget_of_nothing_says_nothing(model):
    [said] = model.say([(5, 6)], [0], streams(1))
    assert said.token_ids == ()
