"""Gradients are those of the plain pass; what is held for the backward pass is less."""

import pytest
import torch
from transformers import OPTConfig, OPTForCausalLM

from marl.errors import ModelError
from marl.models import LanguageModel, Row

ROWS = [
    Row(tuple(range(20, 60)), (30, 31, 1), adapter="one"),
    Row((*range(20, 50), 99), (), ((21, 22), (23,)), 0, adapter="two"),
    Row((70, 71, 72), (5, 6), adapter=None),
]


def gradients(model, rows, *, checkpointing):
    """(gradients by name, bytes held for the backward pass)."""
    model.network.zero_grad()
    held = {}

    def hold(tensor):
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
        result = model.log_probs(rows, checkpointing=checkpointing)
    for parameter in model.network.parameters():
        held.pop(parameter.untyped_storage().data_ptr(), None)
    (result.log_probs.sum() + 0.1 * result.entropy.sum()).backward()
    found = {name: p.grad.clone() for name, p in model.network.named_parameters() if p.grad is not None}
    return found, sum(held.values())


def assert_equal_gradients(model, rows):
    plain, much = gradients(model, rows, checkpointing=False)
    again, little = gradients(model, rows, checkpointing=True)
    assert plain.keys() == again.keys()
    assert any(float(value.abs().max()) > 0 for value in plain.values())
    for name, value in plain.items():
        torch.testing.assert_close(again[name], value, rtol=1e-5, atol=1e-5 * float(value.abs().max() + 1))
    assert little < 0.6 * much, (little, much)


def test_gradients_are_the_same_and_less_is_held(model):
    plain = [Row(row.prompt_ids, row.token_ids, row.option_ids, row.choice) for row in ROWS]
    assert_equal_gradients(model, plain)


def test_each_row_keeps_its_adapter_in_the_second_computation(model):
    for name in ("one", "two"):
        model.add_adapter(name, rank=4, alpha=8, seed=len(name))
        with torch.no_grad():
            for parameter in model.adapter_parameters(name).values():
                parameter.add_(0.1)
    assert_equal_gradients(model, ROWS)


def test_a_long_trunk_goes_in_one_piece(folders):
    """Without checkpointing a trunk of 512 tokens goes first, and the rest goes on from its keys and values."""
    model = LanguageModel.load(str(folders["llama"]))
    model.context = 1200
    trunk = tuple(20 + at % 250 for at in range(700))
    assert_equal_gradients(model, [Row((*trunk, end), (30, 31)) for end in (5, 6, 7)])


def test_there_is_no_dropout_even_where_the_layer_itself_asks_for_training(folders):
    torch.manual_seed(0)
    config = OPTConfig(
        vocab_size=330, hidden_size=32, ffn_dim=48, num_hidden_layers=2, num_attention_heads=4, word_embed_proj_dim=32,
        max_position_embeddings=128, dropout=0.5, attention_dropout=0.5,
    )  # fmt: skip
    model = LanguageModel(OPTForCausalLM(config), LanguageModel.load(str(folders["llama"])).tokenizer, "opt")
    assert_equal_gradients(model, [Row(tuple(range(20, 60)), (30, 31, 1))])


def test_afterwards_it_acts_as_before(model):
    before = model.choose([(20, 30)], [((21,), (22, 23))], keys=["a"])
    model.release(["a"])
    gradients(model, [Row((20, 30), (40, 41))], checkpointing=True)
    assert not any(module.training for module in model.network.modules())
    assert model.reader.cached
    assert (model.choose([(20, 30)], [((21,), (22, 23))], keys=["a"])[0] == before[0]).all()


def test_a_network_without_such_layers_is_named(model, monkeypatch):
    monkeypatch.setattr("marl.models.checkpointing.GradientCheckpointingLayer", torch.nn.Conv3d)
    with pytest.raises(ModelError, match="gradient_checkpointing: false"):
        model.log_probs([Row((20, 30), (40,))], checkpointing=True)
