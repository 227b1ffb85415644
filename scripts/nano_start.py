"""The nano model's first weights: random, but for two circuits that small models otherwise spend most training finding.

Copying from context needs a head that looks one token back and a later head that looks for where the present token
stood before (Olsson et al. 2022, "In-context Learning and Induction Heads"). Starting attention near the form it
will take is "mimetic initialization" (Trockman & Kolter 2023). Everything is an ordinary weight and is trained on.
"""

from __future__ import annotations

import torch
from transformers import LlamaForCausalLM

CONSTANT = 6.0  # the embedding's first column, in its standard deviations: what a head with a fixed offset reads
OFFSET_GAIN, WRITE_GAIN, MATCH_GAIN, COPY_GAIN, OTHERS = 1.3, 2.0, 2.0, 8.0, 0.1


def _orthonormal(width: int) -> torch.Tensor:
    basis = torch.linalg.qr(torch.randn(width, width))[0]
    basis[:, 0] = 0.0
    return basis


def _look_one_back(network: LlamaForCausalLM, basis: torch.Tensor, head: int, spread: float) -> None:
    """Layer 0, `head`: attend one token back (a rotary phase shift), write that token where `basis`' other half is."""
    attention, size = network.model.layers[0].self_attn, attention_size(network)
    rows, half = slice(head * size, (head + 1) * size), size // 2
    frequency = 10000.0 ** (-torch.arange(half) / half)
    gain = (torch.arange(half) < half // 2).float() * OFFSET_GAIN
    attention.q_proj.weight[rows] *= 0.2
    attention.k_proj.weight[rows] *= 0.2
    attention.k_proj.weight[rows, 0] = torch.cat([gain, torch.zeros(half)])
    attention.q_proj.weight[rows, 0] = torch.cat([gain * torch.cos(frequency), -gain * torch.sin(frequency)])
    attention.v_proj.weight[rows] = basis[rows]
    written = basis[basis.shape[0] // 2 :][rows]
    attention.o_proj.weight[:, rows] = WRITE_GAIN * spread * written.T


def _match_previous(network: LlamaForCausalLM, basis: torch.Tensor, head: int) -> None:
    """Layer 1, `head`: attend to tokens whose predecessor is the present token, on the slowly rotating dimensions."""
    attention, size = network.model.layers[1].self_attn, attention_size(network)
    slow = [*range(size // 4, size // 2), *range(3 * size // 4, size)]
    for row in range(size):
        place = head * size + row
        if row in slow:
            source = head * size + slow.index(row)
            attention.q_proj.weight[place] = MATCH_GAIN * basis[source]
            attention.k_proj.weight[place] = MATCH_GAIN * basis[basis.shape[0] // 2 + source]
        else:
            attention.q_proj.weight[place] *= 0.2
            attention.k_proj.weight[place] *= 0.2


def attention_size(network: LlamaForCausalLM) -> int:
    """Width of one attention head."""
    return network.config.hidden_size // network.config.num_attention_heads


@torch.no_grad()
def start(network: LlamaForCausalLM) -> None:
    """Set the first weights in place, from torch's global generator."""
    spread = network.config.initializer_range
    network.model.embed_tokens.weight[:, 0] = CONSTANT * spread
    basis = _orthonormal(network.config.hidden_size)
    heads = network.config.num_attention_heads // 2
    for head in range(heads):
        _look_one_back(network, basis, head, spread)
        _match_previous(network, basis, head)
    network.model.layers[0].self_attn.o_proj.weight[:, heads * attention_size(network) :] *= OTHERS
    for index, layer in enumerate(network.model.layers):
        layer.mlp.down_proj.weight *= OTHERS
        if index:
            copied = _orthonormal(network.config.hidden_size)
            layer.self_attn.v_proj.weight.copy_(copied)
            layer.self_attn.o_proj.weight.copy_(COPY_GAIN * spread * copied.T)
