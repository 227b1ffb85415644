import json
import pickle
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM

from marl.errors import ModelError
from marl.models import LanguageModel, Row
from marl.models.loading import load_parts
from marl.models.quantize import METHOD, Int8Embedding, Int8Linear, count_weights, is_int8, round_rows, to_int8

OPTIONS = ((10,), (10, 11), (12, 13), (12, 14))


def int8(model):
    return LanguageModel(to_int8(model.network), model.tokenizer, "int8")


def matrices(network):
    """Every weight matrix of a float network as [output channels, inputs], by module name."""
    return {
        name: module.weight.detach().T if type(module).__name__ == "Conv1D" else module.weight.detach()
        for name, module in network.named_modules()
        if type(module).__name__ in ("Linear", "Conv1D", "Embedding")
    }


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_weight_is_off_by_half_a_step_at_most(scale):
    weight = torch.randn(40, 30, generator=torch.Generator().manual_seed(0)) * scale
    weight[3] = 0.0
    rounded, steps = round_rows(weight)
    assert rounded.dtype == torch.int8
    assert rounded.abs().max() == 127, "the largest weight of a row takes the last level"
    error = (weight.double() - rounded.double() * steps.double()).abs()
    assert (error <= steps.double() / 2 * (1 + 1e-5)).all()
    assert (error / steps)[:3].max() > 0.25, "it is rounded, not copied"
    assert not rounded[3].any(), "a row of zeros stays zero"


def test_one_scale_for_all_rows_would_be_worse():
    weight = torch.randn(40, 30, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 0, 40)[:, None]
    rounded, steps = round_rows(weight)
    by_row = (weight - rounded * steps).square().sum()
    coarse = weight.abs().max() / 127
    assert by_row < (weight - (weight / coarse).round() * coarse).square().sum() / 2


def test_weights_that_are_not_finite_are_refused():
    with pytest.raises(ModelError, match="NaN or infinite"):
        round_rows(torch.tensor([[1.0, float("nan")]]))


def test_every_matrix_of_the_network_is_within_half_a_step(model):
    network = to_int8(model.network)
    found = matrices(model.network)
    assert len(found) > 10
    for name, weight in found.items():
        module = network.get_submodule(name)
        assert isinstance(module, Int8Linear | Int8Embedding), name
        gap = (weight - module.weight.squeeze(-1) * module.scale).abs()
        assert (gap <= module.scale / 2 * (1 + 1e-5)).all(), name
    assert not matrices(network)


def test_the_layers_compute_what_float_layers_of_the_rounded_weights_compute():
    torch.manual_seed(0)
    linear, table, states = nn.Linear(12, 7), nn.Embedding(9, 12), torch.randn(2, 3, 12)
    network = to_int8(with_config(nn.ModuleList([linear, table])))
    for layer in (linear, table):
        weight, scale = round_rows(layer.weight)
        layer.weight.data = weight * scale
    ids = torch.tensor([[0, 8], [3, 3]])
    torch.testing.assert_close(network[0](states), linear(states))
    torch.testing.assert_close(network[1](ids), table(ids))


def with_config(module):
    module.config = type("Config", (), {})()
    return module


def test_the_float_network_is_left_as_it_was(llama):
    before = {name: value.clone() for name, value in llama.network.state_dict().items()}
    to_int8(llama.network)
    assert all(value.equal(before[name]) for name, value in llama.network.state_dict().items())
    assert not hasattr(llama.network.config, "quantization_config")
    assert all(parameter.requires_grad for parameter in llama.network.parameters())


def test_a_tied_matrix_stays_one_matrix(llama):
    network = to_int8(llama.network)
    assert network.lm_head.weight.data_ptr() == network.model.embed_tokens.weight.data_ptr()
    assert count_weights(network) == count_weights(llama.network)
    assert count_weights(llama.network) == sum(p.numel() for p in llama.network.parameters())


def test_a_saved_folder_gives_the_same_logits_and_is_a_quarter_of_the_size(model, ragged, tmp_path):
    small = int8(model)
    small.save(tmp_path / "small")
    model.save(tmp_path / "float")
    again = LanguageModel.load(str(tmp_path / "small"))
    ids = torch.tensor([[5, 6, 7, 8], [100, 3, 250, 9]])
    with torch.no_grad():
        assert torch.equal(again.network(ids).logits, small.network(ids).logits)
    sizes = [(tmp_path / kind / "model.safetensors").stat().st_size for kind in ("small", "float")]
    assert sizes[0] < sizes[1] / 2.5, "tiny matrices pay for their scales; the nano model's folder is tested below"
    assert {str(p.dtype) for p in again.network.buffers() if p.numel() > 1000} == {"torch.int8"}
    prompts = ragged(12)
    assert again.say(prompts, [4] * 12, rngs(12)) == small.say(prompts, [4] * 12, rngs(12))


def rngs(count):
    return [np.random.default_rng(index) for index in range(count)]


def test_nano_in_int8_is_small_and_decides_as_before(tmp_path):
    nano = LanguageModel.load("nano")
    int8(nano).save(tmp_path / "small")
    again = LanguageModel.load(str(tmp_path / "small"))
    assert (tmp_path / "small" / "model.safetensors").stat().st_size < 0.27 * 4 * count_weights(nano.network)
    prompts = [nano.encode_prompt(f"The stag is {place}.\nChoose: north, south, hare\nAnswer:") for place in TEXTS]
    options = [tuple(map(nano.encode_reply, ("north", "south", "hare")))] * len(TEXTS)
    before, after = nano.choose(prompts, options), again.choose(prompts, options)
    for one, other in zip(before, after, strict=True):
        assert np.abs(np.exp(one) - np.exp(other)).max() < 0.02
    assert any(np.abs(one - other).max() > 1e-5 for one, other in zip(before, after, strict=True)), "it was rounded"


TEXTS = ("north", "south", "here", "lost", "in the north", "in the south")


def test_a_choice_does_not_depend_on_the_batch_it_is_in(llama, ragged):
    small, prompts = int8(llama), ragged(16)
    together = small.choose(prompts, [OPTIONS] * 16)
    for prompt, given in zip(prompts, together, strict=True):
        np.testing.assert_allclose(small.choose([prompt], [OPTIONS])[0], given, atol=1e-5)


def test_acting_and_training_passes_agree(llama, ragged):
    small, prompts = int8(llama), ragged(8)
    given = small.choose(prompts, [OPTIONS] * 8)
    rows = [Row(prompt, (), OPTIONS, 2) for prompt in prompts]
    np.testing.assert_allclose(small.log_probs(rows).log_probs[:, 0], [table[2] for table in given], atol=1e-5)


def test_it_cannot_be_trained(llama):
    network = to_int8(llama.network)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    with pytest.raises(ModelError, match="cannot be trained; train the float policy"):
        network.train()
    network.eval()


def test_it_can_be_sent_to_another_process(llama):
    small = int8(llama)
    again = pickle.loads(pickle.dumps(small))
    np.testing.assert_array_equal(again.choose([(5, 6)], [OPTIONS])[0], small.choose([(5, 6)], [OPTIONS])[0])


def test_an_int8_network_is_not_rounded_again(llama):
    with pytest.raises(ModelError, match="int8 already"):
        to_int8(to_int8(llama.network))


def test_a_folder_is_known_by_its_config(llama, folders, tmp_path):
    int8(llama).save(tmp_path / "small")
    assert is_int8(tmp_path / "small")
    assert json.loads((tmp_path / "small/config.json").read_text())["quantization_config"]["quant_method"] == METHOD
    assert not is_int8(folders["llama"])
    assert not is_int8("nano")
    for text in ("{", "[]", '{"quantization_config": "int8"}', '{"quantization_config": null}'):
        (tmp_path / "config.json").write_text(text)
        assert not is_int8(tmp_path)


def test_missing_weights_are_not_made_up(llama, tmp_path):
    int8(llama).save(tmp_path / "small")
    file = tmp_path / "small" / "model.safetensors"
    weights = load_file(file)
    weights.pop("model.layers.1.mlp.up_proj.scale")
    save_file(weights, file)
    with pytest.raises(ModelError, match=r"lacks weights for \['model.layers.1.mlp.up_proj.scale'\] \(1 in all\)"):
        load_parts(str(tmp_path / "small"), 0)
    shutil.rmtree(tmp_path / "small")


def test_weights_of_another_shape_are_a_model_error(llama, tmp_path):
    int8(llama).save(tmp_path / "small")
    config = json.loads((tmp_path / "small/config.json").read_text())
    (tmp_path / "small/config.json").write_text(json.dumps({**config, "intermediate_size": 64}))
    with pytest.raises(ModelError, match="no causal language model could be loaded"):
        load_parts(str(tmp_path / "small"), 0)


def test_transformers_alone_refuses_the_folder_instead_of_misreading_it(llama, tmp_path):
    int8(llama).save(tmp_path / "small")
    with pytest.raises(RuntimeError, match="mismatched"):
        AutoModelForCausalLM.from_pretrained(tmp_path / "small")
