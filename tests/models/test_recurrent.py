import numpy as np
import pytest
import torch

from marl.errors import ModelError
from marl.models.network import PolicyNetwork
from marl.models.recurrent import RecurrentNetwork


def network(seed=0, **changes):
    given = {"inputs": 3, "outputs": 4, "hidden": [8, 5], "activation": "tanh", "recurrent": "gru", **changes}
    return RecurrentNetwork(**given, seed=seed)


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def test_it_is_the_gated_recurrent_unit_that_numpy_computes():
    net, inputs = network(), np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    own = {name: parameter.detach().numpy() for name, parameter in net.named_parameters()}
    state, expected = np.zeros(5), []
    for row in inputs:
        hidden = np.tanh(own["trunk.2.weight"] @ np.tanh(own["trunk.0.weight"] @ row))
        reset, update, new = np.split(own["memory.weight_ih_l0"] @ hidden, 3)
        from_state = np.split(own["memory.weight_hh_l0"] @ state, 3)
        r, z = sigmoid(reset + from_state[0]), sigmoid(update + from_state[1])
        state = (1 - z) * np.tanh(new + r * from_state[2]) + z * state
        expected.append(state)
    np.testing.assert_allclose(net.sequences(torch.from_numpy(inputs)[None]).detach()[0], expected, atol=1e-6)


def test_steps_are_the_sequence_and_padding_changes_nothing_before_it():
    net, inputs = network(), torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))
    whole, state = net.sequences(inputs), net.empty(2)
    for moment in range(6):
        hidden, state = net.step(inputs[:, moment], state)
        torch.testing.assert_close(hidden, whole[:, moment], atol=1e-6, rtol=0)
    padded = inputs.clone()
    padded[:, 4:] = 9.0
    torch.testing.assert_close(net.sequences(padded)[:, :4], whole[:, :4], atol=0, rtol=0)


def test_a_single_moment_is_a_history_of_its_own():
    net, inputs, legal = network(), torch.ones(2, 3), torch.tensor([[True, True, False, True]] * 2)
    table = net(inputs, legal)
    torch.testing.assert_close(table, net.distribution(net.step(inputs, net.empty(2))[0], legal))
    assert torch.isneginf(table[:, 2]).all()


def test_the_seed_alone_decides_the_weights_and_every_gate_is_orthogonal():
    state = torch.get_rng_state()
    one, two = network(seed=7), network(seed=7)
    assert torch.equal(torch.get_rng_state(), state), "no draw from the global generator"
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.memory.weight_hh_l0, network(seed=8).memory.weight_hh_l0)
    for gate in one.memory.weight_hh_l0.detach().chunk(3):
        torch.testing.assert_close(gate @ gate.T, torch.eye(5), atol=1e-5, rtol=0)


def test_what_is_saved_is_loaded_and_is_no_network_without_memory(tmp_path):
    net = network()
    net.save(tmp_path / "net")
    other = RecurrentNetwork.load(tmp_path / "net")
    assert other.shape == net.shape
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))
    with pytest.raises(ModelError, match="recurrent"):
        PolicyNetwork.load(tmp_path / "net")
    PolicyNetwork(3, 4, [8, 5], "tanh", seed=0).save(tmp_path / "plain")
    with pytest.raises(ModelError, match="recurrent"):
        RecurrentNetwork.load(tmp_path / "plain")
