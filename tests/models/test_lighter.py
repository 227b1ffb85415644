import copy

import pytest
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from marl.models.lighter import by_columns, fuse_norms


def logits(network):
    with torch.no_grad():
        return network(input_ids=torch.tensor([[5, 6, 7, 8, 9]])).logits


def norms(network):
    return [module for module in network.modules() if type(module).__name__.endswith("RMSNorm")]


def test_fused_norms_give_the_same_and_keep_names_and_weights(family, bare):
    network = copy.deepcopy(bare)
    expected = logits(network)
    names, before = list(network.state_dict()), {id(parameter) for parameter in network.parameters()}
    fuse_norms(network)
    torch.testing.assert_close(logits(network), expected, atol=1e-5, rtol=1e-5)
    assert list(network.state_dict()) == names
    assert {id(parameter) for parameter in network.parameters()} == before
    if family in ("llama", "qwen3", "mistral"):
        assert norms(network)
        assert all(type(module) is torch.nn.RMSNorm for module in norms(network))


def test_a_norm_that_does_more_is_left_alone():
    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=50, hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8,
    )  # fmt: skip
    network = Gemma3ForCausalLM(config)  # its norms multiply by 1 + weight
    fuse_norms(network)
    assert norms(network)
    assert not any(isinstance(module, torch.nn.RMSNorm) for module in norms(network))


@pytest.mark.parametrize("change", ["weight", "dtype"])
def test_norms_are_tried_before_they_are_replaced(change):
    class OddRMSNorm(LlamaRMSNorm):
        def forward(self, states):
            return super().forward(states) + (1e-3 if change == "weight" else 0.0)

    holder = torch.nn.ModuleDict({"norm": OddRMSNorm(8)})
    if change == "dtype":
        holder.half()
    fuse_norms(holder)
    assert type(holder["norm"]) is OddRMSNorm


def test_columns_change_the_layout_and_nothing_else(family, bare):
    network = copy.deepcopy(bare)
    expected, state = logits(network), {name: part.clone() for name, part in network.state_dict().items()}
    by_columns(network)
    torch.testing.assert_close(logits(network), expected, atol=1e-5, rtol=1e-5)
    assert all(torch.equal(part, state[name]) for name, part in network.state_dict().items())
    linear = [module for module in network.modules() if isinstance(module, torch.nn.Linear)]
    tied = network.get_input_embeddings().weight
    assert all(module.weight.t().is_contiguous() for module in linear if module.weight is not tied)
    assert tied.is_contiguous()
