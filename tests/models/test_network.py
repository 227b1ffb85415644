import numpy as np
import pytest
import torch

from marl.errors import ModelError
from marl.models.network import PolicyNetwork


def network(seed=0, **changes):
    given = {"inputs": 3, "outputs": 4, "hidden": [8, 8], "activation": "tanh", **changes}
    return PolicyNetwork(**given, seed=seed)


def test_it_is_the_multilayer_perceptron_that_numpy_computes():
    net = network()
    inputs = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    weights = [parameter.detach().numpy() for parameter in net.parameters()]
    hidden = inputs
    for weight, bias in zip(weights[0:4:2], weights[1:4:2], strict=True):
        hidden = np.tanh(hidden @ weight.T + bias)
    logits = hidden @ weights[4].T + weights[5]
    expected = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    given = net(torch.from_numpy(inputs), torch.ones(5, 4, dtype=torch.bool)).detach()
    np.testing.assert_allclose(given, expected, atol=1e-6)


def test_only_legal_outputs_have_a_probability_and_a_gradient():
    net = network()
    legal = torch.tensor([[True, False, True, False], [False, False, False, True]])
    table = net(torch.ones(2, 3), legal)
    assert torch.isneginf(table[~legal]).all()
    torch.testing.assert_close(table.exp().sum(-1), torch.ones(2))
    assert float(table[1, 3].detach()) == 0.0
    table[0, 0].backward()
    assert net.head.bias.grad.tolist()[1] == net.head.bias.grad.tolist()[3] == 0.0
    assert net.head.bias.grad.abs().sum() > 0


def test_the_seed_alone_decides_the_weights_and_the_first_play_is_near_uniform():
    torch.manual_seed(1)
    one = network(seed=7)
    state = torch.get_rng_state()
    two = network(seed=7)
    assert torch.equal(torch.get_rng_state(), state), "no draw from the global generator"
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.head.weight, network(seed=8).head.weight)
    table = one(10 * torch.ones(1, 3), torch.ones(1, 4, dtype=torch.bool))
    torch.testing.assert_close(table, torch.full((1, 4), -np.log(4.0)), atol=0.1, rtol=0)


def test_what_is_saved_is_loaded(tmp_path):
    net = network(activation="relu", hidden=[5])
    net.save(tmp_path / "net")
    other = PolicyNetwork.load(tmp_path / "net")
    assert other.shape == net.shape
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))
    assert {path.name for path in (tmp_path / "net").iterdir()} == {"config.json", "model.safetensors"}


@pytest.mark.parametrize("damage", ["no folder", "no config", "cut short", "another shape"])
def test_a_damaged_folder_is_named(tmp_path, damage):
    folder = tmp_path / "net"
    if damage != "no folder":
        network().save(folder)
    if damage == "no config":
        (folder / "config.json").unlink()
    if damage == "cut short":
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-10])
    if damage == "another shape":
        network(outputs=5).save(tmp_path / "other")
        (folder / "config.json").write_bytes((tmp_path / "other/config.json").read_bytes())
    with pytest.raises(ModelError, match="holds no whole network"):
        PolicyNetwork.load(folder)
