import numpy as np
import pytest
import torch

from marl.errors import ModelError
from marl.models.forward import Reader


def test_both_families_take_the_fast_paths(model):
    assert model.reader.split
    assert model.reader.share


@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("share", [True, False])
def test_logits_are_those_of_each_sequence_alone(model, ragged, plain_log_probs, split, share):
    model.reader.split, model.reader.share = split, share
    sequences = ragged(24)
    with torch.no_grad():
        logits, places = model.reader.read(sequences, [0] * len(sequences))
        for sequence, rows in zip(sequences, places, strict=True):
            assert len(rows) == len(sequence)
            for end in (0, len(sequence) - 1):
                expected = plain_log_probs(model.network, sequence[: end + 1])
                torch.testing.assert_close(logits[rows[end]].log_softmax(-1), expected, atol=1e-5, rtol=0)


def test_places_of_a_shared_prefix_are_read_once(model):
    logits, places = model.reader.read([(5, 6, 7), (5, 6, 8)], [1, 1])
    assert len(logits) == 3
    assert places[0][0] == places[1][0]


def test_large_requests_are_split_without_changing_anything(model, ragged, monkeypatch):
    sequences = ragged(30)
    with torch.no_grad():
        whole, rows = model.reader.read(sequences, [0] * len(sequences))
        monkeypatch.setattr("marl.models.forward.TOKENS_A_PASS", 64)
        parts, other = model.reader.read(sequences, [0] * len(sequences))
    torch.testing.assert_close(whole[np.concatenate(rows)], parts[np.concatenate(other)], atol=1e-5, rtol=1e-5)


def test_damaged_weights_are_reported(llama):
    with torch.no_grad():
        llama.network.model.norm.weight[0] = float("nan")
    with pytest.raises(ModelError, match="not finite"):
        llama.reader.read([(5, 6)], [0])


def test_a_network_that_changes_its_logits_after_the_embedding_is_read_whole(llama):
    def capped(module, arguments, keywords, output):
        output.logits = 2.0 * torch.tanh(output.logits / 2.0)
        return output

    llama.network.register_forward_hook(capped, with_kwargs=True)
    reader = Reader(llama.network)
    assert not reader.split
    logits, _ = reader.read([(5, 6)], [1])
    assert logits.abs().max() <= 2.0


def test_reading_leaves_the_network_in_evaluation_mode(model):
    model.network.train()
    assert not Reader(model.network).network.training
