import numpy as np
import pytest
import torch

from marl.models.states import Said, Speech, prefill, reread


def speeches(prompts):
    return [Speech(prompt, 4, np.random.default_rng(0)) for prompt in prompts]


def truth(plain_log_probs, model, sequences):
    with torch.no_grad():
        return torch.stack([plain_log_probs(model.network, sequence) for sequence in sequences])


@pytest.fixture(params=[prefill, reread])
def begin(request):
    return request.param


@pytest.mark.parametrize("rows", [3, 8], ids=["taken over", "gathered"])
def test_states_fork_and_end_as_their_rows_do(model, plain_log_probs, begin, rows):
    prompts = [(5, 6, 7, 8), (20, 21), (30, 31, 32)]
    with torch.inference_mode():
        logits, states, places = begin(model.reader, speeches(prompts), [], rows, 4)
        expected = truth(plain_log_probs, model, prompts)
        torch.testing.assert_close(logits[places].log_softmax(-1), expected, atol=1e-5, rtol=0)
        # (prompt, tokens said): in later rounds rows of prompt 0 part, prompt 1 ends, others go on
        rounds = [
            [(0, (40,)), (1, (41,)), (2, (42,))],
            [(0, (40, 50)), (2, (42, 51))] if rows == 3 else [(0, (40, 50)), (0, (40, 52)), (2, (42, 51))],
            [(2, (42, 51, 60))] if rows == 3 else [(0, (40, 52, 61)), (0, (40, 52, 62)), (2, (42, 51, 60))],
        ]
        homes = {(index, ()): int(place) for index, place in enumerate(places)}
        for living in rounds:
            said = [
                Said(speeches([prompts[index]])[0], homes[index, tokens[:-1]], list(tokens)) for index, tokens in living
            ]
            given = states.step(states.follow(said))
            homes = {key: row.state for key, row in zip(living, said, strict=True)}
            assert len(given) == len(living)
            expected = truth(plain_log_probs, model, [prompts[index] + tokens for index, tokens in living])
            ordered = given[[row.state for row in said]].log_softmax(-1)
            torch.testing.assert_close(ordered, expected, atol=1e-5, rtol=0)


def test_rows_that_say_the_same_stay_one_state(model):
    with torch.inference_mode():
        _, states, _ = prefill(model.reader, speeches([(5, 6)]), [], 4, 4)
        said = [Said(speeches([(5, 6)])[0], 0, [token]) for token in (9, 9, 8, 9)]
        tokens = states.follow(said)
    assert sorted(tokens.tolist()) == [8, 9]
    assert said[0].state == said[1].state == said[3].state != said[2].state
