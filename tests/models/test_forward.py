import numpy as np
import pytest
import torch

from marl.errors import ModelError
from marl.models.forward import Reader, Reading


def whole(sequences):
    return [Reading(sequence, 0) for sequence in sequences]


def test_both_families_take_the_fast_paths(model):
    assert model.reader.split
    assert model.reader.share


@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("share", [True, False])
def test_logits_are_those_of_each_sequence_alone(model, ragged, plain_log_probs, split, share):
    model.reader.split, model.reader.share = split, share
    sequences = ragged(24)
    with torch.no_grad():
        logits, places = model.reader.read(whole(sequences))
        for sequence, rows in zip(sequences, places, strict=True):
            assert len(rows) == len(sequence)
            for end in (0, len(sequence) - 1):
                expected = plain_log_probs(model.network, sequence[: end + 1])
                torch.testing.assert_close(logits[rows[end]].log_softmax(-1), expected, atol=1e-5, rtol=0)


def test_places_of_a_shared_prefix_are_read_once(model):
    logits, places = model.reader.read([Reading((5, 6, 7), 1), Reading((5, 6, 8), 1)])
    assert len(logits) == 3
    assert places[0][0] == places[1][0]


def test_large_requests_are_split_without_changing_anything(model, ragged, monkeypatch):
    sequences = ragged(30)
    with torch.no_grad():
        together, rows = model.reader.read(whole(sequences))
        monkeypatch.setattr(model.reader, "tokens_a_pass", 64)
        parts, other = model.reader.read(whole(sequences))
    torch.testing.assert_close(together[np.concatenate(rows)], parts[np.concatenate(other)], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("width", [3, 20])
def test_long_trunks_go_first_without_changing_anything(model, ragged, monkeypatch, width):
    stems = ragged(6, seed=3)
    sequences = [(*range(2, 40), *stem, *end) for stem in stems for end in ((7,), (8, 9), (8, 10, *range(width)))]
    together, rows = model.reader.read(whole(sequences))
    monkeypatch.setattr("marl.models.forward.TRUNK", 8)
    calls = []
    call = model.reader.call
    monkeypatch.setattr(model.reader, "call", lambda inputs, *more: calls.append(inputs) or call(inputs, *more))
    parts, other = model.reader.read(whole(sequences))
    assert len(calls) > 1
    assert "attention_mask" not in calls[0]
    torch.testing.assert_close(together[np.concatenate(rows)], parts[np.concatenate(other)], atol=1e-5, rtol=1e-5)
    loss = parts.log_softmax(-1)[:, 0].sum()
    loss.backward()
    gradient = torch.cat([parameter.grad.flatten() for parameter in model.network.parameters()])
    model.network.zero_grad()
    together.log_softmax(-1)[:, 0].sum().backward()
    expected = torch.cat([parameter.grad.flatten() for parameter in model.network.parameters()])
    torch.testing.assert_close(gradient, expected, atol=1e-3, rtol=1e-3)


def test_the_version_changes_with_the_weights(model):
    before = model.reader.version()
    assert model.reader.version() == before
    with torch.no_grad():
        next(model.network.parameters()).add_(1e-3)
    changed = model.reader.version()
    assert changed != before
    model.network.load_state_dict(model.network.state_dict())
    assert model.reader.version() != changed


def test_weights_by_columns_are_saved_and_loaded_as_they_are(model, tmp_path):
    linear = [part for part in model.network.modules() if isinstance(part, torch.nn.Linear)]
    weights = [part.weight.detach().clone() for part in linear]
    model.save(tmp_path / "copy")
    again = type(model).load(str(tmp_path / "copy")).network
    loaded = [part.weight for part in again.modules() if isinstance(part, torch.nn.Linear)]
    assert all(torch.equal(one, other) for one, other in zip(weights, loaded, strict=True))


def test_damaged_weights_are_reported(llama):
    with torch.no_grad():
        llama.network.model.norm.weight[0] = float("nan")
    with pytest.raises(ModelError, match="not finite"):
        llama.reader.read([Reading((5, 6), 0)])


def test_a_network_that_changes_its_logits_after_the_embedding_is_read_whole(llama):
    def capped(module, arguments, keywords, output):
        output.logits = 2.0 * torch.tanh(output.logits / 2.0)
        return output

    llama.network.register_forward_hook(capped, with_kwargs=True)
    reader = Reader(llama.network)
    assert not reader.split
    logits, _ = reader.read([Reading((5, 6), 1)])
    assert logits.abs().max() <= 2.0


def test_reading_leaves_the_network_in_evaluation_mode(model):
    model.network.train()
    assert not Reader(model.network).network.training
