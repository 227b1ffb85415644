import numpy as np
import pytest
import torch

from marl.errors import ModelError
from marl.models import Row
from marl.models.trie import option_trie

OPTIONS = ((10,), (10, 11), (12, 13), (12, 14))


def streams(count):
    return [np.random.default_rng(index) for index in range(count)]


def acted(model, prompts, temperature):
    """Rows as recorded in acting, said and chosen mixed, and the log-probabilities recorded with them."""
    said = model.say(
        prompts, [1 + index % 5 for index in range(len(prompts))], streams(len(prompts)), temperature=temperature
    )
    tables = model.choose(prompts, [OPTIONS] * len(prompts), temperature=temperature)
    rows = [Row(prompt, utterance.token_ids) for prompt, utterance in zip(prompts, said, strict=True)]
    rows += [Row(prompt, OPTIONS[i % 4], OPTIONS, i % 4) for i, prompt in enumerate(prompts)]
    recorded = [utterance.log_probs for utterance in said] + [(float(table[i % 4]),) for i, table in enumerate(tables)]
    return rows, recorded


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_training_agrees_with_acting(model, ragged, temperature):
    rows, recorded = acted(model, ragged(24), temperature)
    order = np.random.default_rng(0).permutation(len(rows))
    result = model.log_probs([rows[index] for index in order], temperature=temperature)
    for position, index in enumerate(order):
        count = len(recorded[index])
        np.testing.assert_allclose(result.log_probs[position, :count].detach(), recorded[index], atol=1e-5)
        assert result.mask[position].tolist() == [True] * count + [False] * (result.mask.shape[1] - count)
        assert not result.log_probs[position, count:].any()
        assert not result.entropy[position, count:].any()


def test_another_temperature_gives_other_values(model, ragged):
    rows, recorded = acted(model, ragged(8), 0.5)
    result = model.log_probs(rows, temperature=1.0)
    assert np.abs(result.log_probs[:, 0].detach().numpy() - [values[0] for values in recorded]).max() > 1e-2


def test_every_said_token_is_trained_and_the_stop_token_too(model, plain_log_probs):
    prompt, tokens = (5, 6, 7), (20, 21, model.stop_id)
    result = model.log_probs([Row(prompt, tokens)])
    with torch.no_grad():
        for column, token in enumerate(tokens):
            table = plain_log_probs(model.network, prompt + tokens[:column])
            assert result.log_probs[0, column].item() == pytest.approx(table[token].item(), abs=1e-5)
            spread = -(table.exp() * table).sum().item()
            assert result.entropy[0, column].item() == pytest.approx(spread, abs=1e-4)


def test_entropy_of_a_choice_is_that_of_the_options(model):
    [table] = model.choose([(5, 6)], [OPTIONS])
    result = model.log_probs([Row((5, 6), (), OPTIONS, 2)])
    assert result.entropy[0, 0].item() == pytest.approx(-(np.exp(table) * table).sum(), abs=1e-5)


def test_gradients_equal_those_of_rows_trained_alone(exact_model, ragged):
    rows, _ = acted(exact_model, ragged(10), 1.0)
    rows = [*rows, *rows[:5]]
    weights = torch.linspace(-1, 1, len(rows), dtype=torch.float64)
    network = exact_model.network

    def gradients(loss_terms):
        network.zero_grad()
        for term in loss_terms:
            term.backward()
        return torch.cat([parameter.grad.flatten() for parameter in network.parameters()])

    def term(result, weight):
        return (weight * (result.log_probs.sum(-1) + 0.1 * result.entropy.sum(-1))).sum()

    together = gradients([term(exact_model.log_probs(rows), weights)])
    alone = gradients(term(exact_model.log_probs([row]), weight) for row, weight in zip(rows, weights, strict=True))
    torch.testing.assert_close(together, alone, atol=1e-8, rtol=1e-6)


def test_repeated_rows_get_the_same_values(model, ragged):
    rows, _ = acted(model, ragged(6), 1.0)
    result = model.log_probs(rows * 3).log_probs
    torch.testing.assert_close(result, model.log_probs(rows).log_probs.repeat(3, 1), atol=1e-6, rtol=0)


def test_rows_with_nothing_open_are_certain_and_can_be_differentiated(model):
    result = model.log_probs([Row((5, 6), (10,), ((10,),), 0)])
    assert result.log_probs.tolist() == [[0.0]]
    assert result.entropy.tolist() == [[0.0]]
    assert result.mask.tolist() == [[True]]
    result.log_probs.sum().backward()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "no rows"),
        ([Row((5,), ())], "no tokens"),
        ([Row((5,), (), ((7,), (8,)), 2)], "choice 2 is outside"),
        ([Row((5,), (), (), 0)], "choice 0 is outside"),
        ([Row((), (7,))], "prompt has no tokens"),
    ],
)
def test_rows_that_cannot_have_been_recorded_are_refused(model, rows, words):
    with pytest.raises(ModelError, match=words):
        model.log_probs(rows)


def test_mixed_rows_of_several_option_lists(model, ragged):
    prompts = ragged(12, seed=7)
    lists = [OPTIONS[: 2 + index % 3] for index in range(12)]
    tables = model.choose(prompts, lists)
    result = model.log_probs([Row(p, (), given, 1) for p, given in zip(prompts, lists, strict=True)])
    np.testing.assert_allclose(result.log_probs[:, 0].detach(), [table[1] for table in tables], atol=1e-5)
    assert option_trie(lists[0], model.stop_id) is option_trie(lists[3], model.stop_id)


def test_micro_batches_hold_every_row_once_and_few_tokens(model, ragged):
    rows, _ = acted(model, ragged(20, seed=4), 1.0)
    pieces = model.micro_batches(rows, 60)
    assert sorted(index for piece in pieces for index in piece) == list(range(len(rows)))
    assert len(pieces) > 3
    for piece in pieces:
        sequences = {rows[index].prompt_ids + rows[index].token_ids for index in piece}
        sequences |= {rows[index].prompt_ids + option for index in piece for option in rows[index].option_ids}
        stems = {sequence[:length] for sequence in sequences for length in range(1, len(sequence) + 1)}
        assert len(piece) == 1 or len(stems) <= 60


def test_gradients_of_micro_batches_add_up(exact_model, ragged):
    rows, _ = acted(exact_model, ragged(12, seed=5), 1.0)
    network = exact_model.network

    def gradient(pieces):
        network.zero_grad()
        for piece in pieces:
            exact_model.log_probs([rows[index] for index in piece]).log_probs.sum().backward()
        return torch.cat([parameter.grad.flatten() for parameter in network.parameters()])

    whole = gradient([range(len(rows))])
    torch.testing.assert_close(gradient(exact_model.micro_batches(rows, 50)), whole, atol=1e-8, rtol=1e-6)


def test_like_prompts_stay_together(model):
    stems = [tuple(range(10, 40)), tuple(range(50, 80))]
    rows = [Row((*stems[index % 2], 90 + index), (7,)) for index in range(8)]
    assert [sorted(piece) for piece in model.micro_batches(rows, 45)] == [[0, 2, 4, 6], [1, 3, 5, 7]]
