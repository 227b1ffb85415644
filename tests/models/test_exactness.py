"""Acting and training on every family of networks against one plain forward a prefix on the bare network."""

import numpy as np
import plain
import pytest
import torch
from families import LEARNED_POSITIONS, lossy_tokenizer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from marl.errors import ModelError
from marl.models import LanguageModel, Row

tokens = st.integers(0, 290)
tails = st.lists(tokens, max_size=8).map(tuple)
stems = st.lists(tokens, min_size=1, max_size=16).map(tuple)
prompt_lists = st.tuples(stems, stems).flatmap(
    lambda two: st.lists(st.builds(tuple.__add__, st.sampled_from(two), tails), min_size=2, max_size=5)
)
option_lists = st.lists(
    st.lists(st.sampled_from([0, 20, 21, 22]), min_size=1, max_size=4).map(tuple), min_size=1, max_size=6, unique=True
).map(tuple)
temperatures = st.sampled_from([1.0, 0.6, 2.0])


def examples(count):
    """The same `count` examples each time: near-ties of float32 must not come and go."""
    return settings(max_examples=count, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


def streams(count):
    return [np.random.default_rng(index) for index in range(count)]


def stops(model):
    return sorted({model.stop_id, *model._texts.end_ids})


def acted(model, prompts, options, temperature):
    """Rows as acting records them, said and chosen in turn, and the log-probabilities recorded with them."""
    said = model.say(prompts, [1 + i % 5 for i in range(len(prompts))], streams(len(prompts)), temperature=temperature)
    tables = model.choose(prompts, [options] * len(prompts), temperature=temperature)
    rows, recorded = [], []
    for index, (prompt, utterance, scores) in enumerate(zip(prompts, said, tables, strict=True)):
        pick = index % len(options)
        rows += [Row(prompt, utterance.token_ids), Row(prompt, (), options, pick)]
        recorded += [utterance.log_probs, (float(scores[pick]),)]
    return rows, recorded


@examples(5)
@given(prompts=prompt_lists, options=option_lists, temperature=temperatures)
def test_choosing_equals_one_by_one_scoring(family_model, prompts, options, temperature):
    lists = [options if index % 2 else options[::-1] for index in range(len(prompts))]
    with torch.no_grad():
        look_up = plain.table(family_model.network, temperature)
        expected = [plain.step_scores(look_up, p, o, family_model.stop_id) for p, o in zip(prompts, lists, strict=True)]
    for result, truth in zip(family_model.choose(prompts, lists, temperature=temperature), expected, strict=True):
        np.testing.assert_allclose(result, truth.numpy(), atol=1e-5)
        assert np.exp(result).sum() == pytest.approx(1.0, abs=1e-5)


@examples(3)
@given(prompts=prompt_lists, options=option_lists, temperature=temperatures)
def test_values_and_gradients_are_exact_in_float64(exact_family, prompts, options, temperature):
    network, stop_id = exact_family.network, exact_family.stop_id
    rows, recorded = acted(exact_family, prompts[:3], options, temperature)
    look_up = plain.table(network, temperature)
    expected = [
        plain.said_scores(look_up, row.prompt_ids, row.token_ids)
        if row.choice is None
        else plain.step_scores(look_up, row.prompt_ids, options, stop_id)[row.choice : row.choice + 1]
        for row in rows
    ]
    for truth, values in zip(expected, recorded, strict=True):
        np.testing.assert_allclose(values, truth.detach().numpy(), atol=1e-9)
    trained = exact_family.log_probs(rows, temperature=temperature)
    weights = torch.linspace(-1, 1, len(rows), dtype=torch.float64)
    ours = plain.gradients(network, (trained.log_probs.sum(-1) * weights).sum())
    alone = plain.gradients(network, sum(w * part.sum() for w, part in zip(weights, expected, strict=True)))
    assert ours.keys() == alone.keys()
    for name, gradient in alone.items():
        torch.testing.assert_close(ours[name], gradient, atol=1e-8, rtol=1e-8, msg=name)


@examples(4)
@given(prompts=prompt_lists, options=option_lists, order=st.randoms(use_true_random=False))
def test_order_of_options_and_rows_does_not_matter(family_model, prompts, options, order):
    moved = order.sample(range(len(options)), len(options))
    rows = order.sample(range(len(prompts)), len(prompts))
    first = family_model.choose(prompts, [options] * len(prompts))
    second = family_model.choose([prompts[row] for row in rows], [tuple(options[k] for k in moved)] * len(prompts))
    for row, result in zip(rows, second, strict=True):
        np.testing.assert_allclose(result, first[row][moved], atol=1e-5)


@examples(4)
@given(prompts=prompt_lists, options=option_lists, temperature=temperatures)
def test_training_agrees_with_acting(family_model, prompts, options, temperature):
    rows, recorded = acted(family_model, prompts, options, temperature)
    order = np.random.default_rng(0).permutation(len(rows))
    with torch.no_grad():
        result = family_model.log_probs([rows[index] for index in order], temperature=temperature)
    for position, index in enumerate(order):
        count = len(recorded[index])
        np.testing.assert_allclose(result.log_probs[position, :count], recorded[index], atol=1e-5)
        assert result.mask[position].sum() == count


@examples(3)
@given(prompts=prompt_lists, options=option_lists)
def test_neighbors_change_nothing(family_model, prompts, options):
    together = family_model.choose(prompts, [options] * len(prompts))
    said = family_model.say(prompts, [5] * len(prompts), streams(len(prompts)))
    for prompt, scores, utterance, stream in zip(prompts, together, said, streams(len(prompts)), strict=True):
        np.testing.assert_allclose(family_model.choose([prompt], [options])[0], scores, atol=1e-5)
        [alone] = family_model.say([prompt], [5], [stream])
        assert alone.token_ids == utterance.token_ids
        np.testing.assert_allclose(alone.log_probs, utterance.log_probs, atol=1e-5)


@examples(2)
@given(prompts=prompt_lists)
def test_greedy_saying_equals_generate(family_model, prompts):
    count, network, ends = len(prompts), family_model.network, stops(family_model)
    expected = [plain.greedy(network, [prompt], 8, ends)[0] for prompt in prompts]
    assert plain.greedy(network, prompts, 8, ends) == expected, "transformers disagrees with itself: a near-tie"
    together = family_model.say(prompts, [8] * count, streams(count), greedy=True)
    assert [utterance.token_ids for utterance in together] == expected
    alone = [family_model.say([prompt], [8], streams(1), greedy=True)[0] for prompt in prompts]
    assert [utterance.token_ids for utterance in alone] == expected


def test_up_to_the_last_place_of_the_context(family_model):
    rng = np.random.default_rng(0)
    context = min(family_model.context, 128)
    sizes = [context - 6, context - 7, 3]
    prompts = [tuple(rng.integers(20, 290, size).tolist()) for size in sizes]
    said = family_model.say(prompts, [6] * 3, streams(3), greedy=True)
    assert [u.token_ids for u in said] == plain.greedy(family_model.network, prompts, 6, stops(family_model))
    options = ((20, 21, 22), (20, 21, 23), (24,))
    with torch.no_grad():
        look_up = plain.table(family_model.network)
        expected = [plain.step_scores(look_up, prompt, options, family_model.stop_id).numpy() for prompt in prompts]
    np.testing.assert_allclose(family_model.choose(prompts, [options] * 3), expected, atol=1e-5)


def test_the_tokenizers_padding_does_not_matter(family_model):
    tokenizer = family_model.tokenizer
    before = tokenizer.padding_side, tokenizer.pad_token
    texts = ["Choose: north, hare.", "Say: one two three, then go east", "go"]
    results = []
    try:
        for side, pad in [("left", tokenizer.eos_token), ("right", tokenizer.eos_token), before]:
            tokenizer.padding_side, tokenizer.pad_token = side, pad
            fresh = LanguageModel(family_model.network, tokenizer, "padded otherwise")
            prompts = [fresh.encode_prompt(text) for text in texts]
            options = [[fresh.encode_reply(word) for word in ("north", "north east", "hare")]] * 3
            said = fresh.say(prompts, [4] * 3, streams(3))
            results.append((prompts, [s.tolist() for s in fresh.choose(prompts, options)], said))
    finally:
        tokenizer.padding_side, tokenizer.pad_token = before
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("name", LEARNED_POSITIONS)
def test_learned_positions_are_right_in_ragged_batches(name, family_folders):
    model = LanguageModel.load(str(family_folders[name]))
    prompts = [(20, 30, 40), tuple(range(50, 90)), (20, 30, 41, 42, 43, 44, 45)]
    options = ((20, 21), (20, 22), (23,))
    said = model.say(prompts, [6] * 3, streams(3))
    chosen = model.choose(prompts, [options] * 3)
    with torch.no_grad():
        look_up = plain.table(model.network)
        for prompt, utterance, scores in zip(prompts, said, chosen, strict=True):
            truth = plain.said_scores(look_up, prompt, utterance.token_ids)
            np.testing.assert_allclose(utterance.log_probs, truth.numpy(), atol=1e-5)
            truth = plain.step_scores(look_up, prompt, options, model.stop_id)
            np.testing.assert_allclose(scores, truth.numpy(), atol=1e-5)
        shifted = model.network(input_ids=torch.tensor([prompts[0]]), position_ids=torch.tensor([[37, 38, 39]]))
        moved = (shifted.logits[0, -1].log_softmax(-1) - look_up(prompts[0])).abs().max()
    assert moved > 0.1, "positions make no difference to this network; this test shows nothing"


def test_tokens_are_never_encoded_again(family_model, monkeypatch):
    check_tokens_are_kept(family_model, monkeypatch)


def test_tokens_are_never_encoded_again_where_text_loses_them(monkeypatch):
    tokenizer = lossy_tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        initializer_range=0.3, max_position_embeddings=128,
    )  # fmt: skip
    model = LanguageModel(LlamaForCausalLM(config), tokenizer, "lossy")
    assert model.decode(model.encode_reply("North EAST")) == "north east"
    check_tokens_are_kept(model, monkeypatch)


def check_tokens_are_kept(model, monkeypatch):
    """Sampled tokens differ from those of their text, and it is the sampled ones whose log-probabilities come back."""
    tokenizer, prompt = model.tokenizer, model.encode_prompt("Say:")
    said = model.say([prompt] * 8, [6] * 8, streams(8))
    again = [tuple(tokenizer.encode(tokenizer.decode(s.token_ids), add_special_tokens=False)) for s in said]
    changed = [ids != utterance.token_ids for ids, utterance in zip(again, said, strict=True)]
    assert any(changed), "every sampled text gives back the tokens it was sampled as; this test shows nothing"
    for name in ("encode", "__call__", "tokenize", "apply_chat_template"):
        monkeypatch.setattr(type(tokenizer), name, lambda *_, **__: pytest.fail("a text was tokenized in training"))
    with torch.no_grad():
        result = model.log_probs([Row(prompt, utterance.token_ids) for utterance in said])
        look_up = plain.table(model.network)
        for row, utterance in enumerate(said):
            count = len(utterance.token_ids)
            truth = plain.said_scores(look_up, prompt, utterance.token_ids)
            np.testing.assert_allclose(result.log_probs[row, :count], truth, atol=1e-5)
            np.testing.assert_allclose(result.log_probs[row, :count], utterance.log_probs, atol=1e-5)


def plain_states(network, prompts, lists):
    """The last hidden state of one plain forward an option."""
    rows = [prompt + option for prompt, given in zip(prompts, lists, strict=True) for option in given]
    reads = [network.base_model(input_ids=torch.tensor([list(row)])) for row in rows]
    return torch.stack([read.last_hidden_state[0, -1] for read in reads])


@examples(5)
@given(prompts=prompt_lists, options=option_lists)
def test_states_of_options_equal_one_plain_forward_an_option(family_model, exact_family, prompts, options):
    lists = [options if index % 2 else options[::-1] for index in range(len(prompts))]
    for model, tolerance in ((family_model, 1e-5), (exact_family, 1e-9)):
        found = model.option_states(prompts, lists)
        truth = plain_states(model.network, prompts, lists)
        assert torch.allclose(found, truth, rtol=tolerance, atol=tolerance)
        with torch.no_grad():
            acting = model.option_states(prompts, lists, keys=list(range(len(prompts))))
        assert torch.allclose(acting, truth, rtol=tolerance, atol=tolerance)


def test_values_read_off_states_have_the_plain_gradient(exact_family):
    prompts, lists = [(20, 21, 22), (20, 21, 5)], [((7,), (7, 8), (9, 3)), ((8, 1, 2), (8, 1))]
    head = torch.randn(exact_family.reader.head.weight.shape[1], generator=torch.Generator().manual_seed(0)).double()
    weights = torch.arange(1.0, 6.0, dtype=torch.float64)
    ways = (exact_family.option_states(prompts, lists), plain_states(exact_family.network, prompts, lists))
    ours, truth = (plain.gradients(exact_family.network, (states @ head * weights).sum()) for states in ways)
    assert ours.keys() == truth.keys()
    assert all(torch.allclose(ours[name], truth[name], rtol=1e-9, atol=1e-9) for name in truth)


def test_faulty_options_are_refused_for_states_too(family_model):
    with pytest.raises(ModelError, match="empty option list"):
        family_model.option_states([(1, 2)], [()])
    with pytest.raises(ModelError, match="exceed the context"):
        # As many tokens as the context has: where nothing limits it 2**31, which only a range holds in little memory.
        family_model.option_states([range(family_model.context)], [((2,),)])
