import re

import families
import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from marl.errors import ModelError
from marl.models import Constraint, LanguageModel, Row


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


def assert_same(first, second):
    assert [said.token_ids for said in first] == [said.token_ids for said in second]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one.log_probs, other.log_probs, atol=1e-5)


@pytest.mark.parametrize("ability", ["share", "cached"])
def test_networks_that_can_do_less_say_the_same(model: LanguageModel, ragged, ability):
    prompts = ragged(20, seed=6) * 2
    shared = model.say(prompts, [6] * 40, streams(40))
    setattr(model.reader, ability, False)
    assert_same(model.say(prompts, [6] * 40, streams(40)), shared)


@pytest.mark.parametrize("limit", [1, 50_000])
def test_large_requests_are_split_without_changing_anything(model, ragged, monkeypatch, limit):
    prompts, budgets = ragged(20, seed=7), [1 + index % 7 for index in range(20)]
    together = model.say(prompts, budgets, streams(20))
    monkeypatch.setattr("marl.models.say.CACHE_BYTES", limit)
    assert_same(model.say(prompts, budgets, streams(20)), together)


def test_top_k_and_top_p_keep_the_likeliest_and_are_recorded_as_drawn(model, ragged, plain_log_probs):
    prompts = ragged(10, seed=8)
    said = model.say(prompts, [4] * 10, streams(10), temperature=1.5, top_k=3, top_p=0.9)
    with torch.no_grad():
        for prompt, utterance in zip(prompts, said, strict=True):
            for place, (token, score) in enumerate(zip(utterance.token_ids, utterance.log_probs, strict=True)):
                table = plain_log_probs(model.network, prompt + utterance.token_ids[:place], 1.5)
                values, best = table.topk(3)
                chances = values.softmax(-1)
                kept = chances.cumsum(-1) - chances < 0.9  # what comes before the token does not reach p by itself
                assert token in best[kept].tolist()
                expected = (chances / chances[kept].sum()).log()[best.tolist().index(token)].item()
                assert score == pytest.approx(expected, abs=1e-4)


def test_one_token_of_top_k_is_greedy(model, ragged):
    prompts = ragged(6, seed=9)
    drawn = model.say(prompts, [6] * 6, streams(6), top_k=1)
    greedy = model.say(prompts, [6] * 6, streams(6), greedy=True)
    assert [said.token_ids for said in drawn] == [said.token_ids for said in greedy]
    assert all(score == 0.0 for said in drawn for score in said.log_probs)


def test_a_stop_text_ends_the_text_and_leaves_its_tokens(llama):
    plain = llama.say([(5, 6)] * 60, [12] * 60, streams(60))
    stopped = llama.say([(5, 6)] * 60, [12] * 60, streams(60), stop_texts=["e", "st"])
    ended = 0
    for one, other in zip(plain, stopped, strict=True):
        assert one.token_ids[: len(other.token_ids)] == other.token_ids
        assert "e" not in other.text
        assert "st" not in other.text
        if len(other.token_ids) < len(one.token_ids):
            ended += 1
            assert other.complete
            spelled = llama.tokenizer.decode(other.token_ids)
            assert "e" in spelled or "st" in spelled
    assert ended > 10


def test_what_is_said_reads_as_it_is_decoded(llama):
    for said in llama.say([(5, 6)] * 40, [6] * 40, streams(40)):
        assert said.text == llama.decode(said.token_ids)
        assert said.complete == (said.token_ids[-1] in {llama.stop_id, 1})


@pytest.mark.parametrize(
    ("constraint", "pattern"),
    [
        (Constraint("regex", pattern="(north|south) [1-3]{1,2}"), "(north|south) [1-3]{1,2}"),
        (Constraint("words", texts=("go", "stay")), "(go|stay)( (go|stay))*"),
        (Constraint("vocabulary", texts=("the stag", "the hare")), "the stag|the hare"),
    ],
)
def test_a_constraint_is_kept_and_trained_as_it_was_sampled(model, ragged, constraint, pattern):
    prompts = ragged(12, seed=10)
    said = model.say(prompts, [30] * 12, streams(12), temperature=1.3, constraint=constraint)
    assert any(utterance.complete for utterance in said)
    for utterance in said:
        if utterance.complete:
            assert re.fullmatch(pattern, utterance.text)
    rows = [Row(prompt, utterance.token_ids) for prompt, utterance in zip(prompts, said, strict=True)]
    result = model.log_probs(rows, temperature=1.3, constraint=constraint)
    for index, utterance in enumerate(said):
        given = result.log_probs[index, : len(utterance.log_probs)].detach()
        np.testing.assert_allclose(given, utterance.log_probs, atol=1e-5)
    assert torch.isfinite(result.entropy).all()
    result.log_probs.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.network.parameters() if p.grad is not None)


def test_entropy_under_a_constraint_is_that_of_what_it_leaves(llama, plain_log_probs):
    constraint = Constraint("vocabulary", texts=("north", "south"))
    [said] = llama.say([(5, 6)], [30], streams(1), constraint=constraint)
    result = llama.log_probs([Row((5, 6), said.token_ids)], constraint=constraint)
    matcher = llama._matcher(constraint)
    table = plain_log_probs(llama.network, (5, 6))[torch.from_numpy(matcher.allowed())].log_softmax(-1)
    assert result.entropy[0, 0].item() == pytest.approx(-(table.exp() * table).sum().item(), abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"top_k": 0}, "top_k"),
        ({"top_p": 1.5}, "top_p"),
        ({"temperature": 0.0}, "temperature"),
        ({"stop_texts": [""]}, "stop"),
    ],
)
def test_settings_out_of_range(llama, settings, words):
    with pytest.raises(ModelError, match=words):
        llama.say([(5, 6)], [3], streams(1), **settings)


def test_budget_of_nothing_says_nothing(model):
    [said] = model.say([(5, 6)], [0], streams(1))
    assert said.token_ids == ()


def test_a_line_ends_however_its_newline_is_spelled():
    spelled = families._bytelevel(["<s>", "</s>"])
    vocabulary, merges = dict(spelled["vocab"]), list(spelled["merges"])
    for first, second in ((".", "Ċ"), ("Ċ", "Ċ")):
        vocabulary[first + second] = len(vocabulary)
        merges.append((first, second))
    bpe = Tokenizer(models.BPE(vocabulary, merges))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="</s>")
    model = LanguageModel(families.FAMILIES["llama"].network(tokenizer), tokenizer, "lines")
    breaks = {vocabulary[".Ċ"], vocabulary["ĊĊ"]}
    said = model.say([(5, 6)] * 600, [12] * 600, streams(600), temperature=2.0)
    assert any(breaks & set(utterance.token_ids) for utterance in said)
    for utterance in said:
        assert not breaks & set(utterance.token_ids[:-1])
        assert utterance.complete or not breaks & set(utterance.token_ids)
