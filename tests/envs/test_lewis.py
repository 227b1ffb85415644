from itertools import product

import numpy as np
import pytest

from envs.lewis import COLORS, RECEIVER, SENDER, parallel_env


def table(states):
    """What the env itself pays each: [color, receiver's action]."""
    pays = np.full((states, states), np.nan)
    env = parallel_env(states)
    seed = 0
    while np.isnan(pays).any():
        for action in range(states):
            env.reset(seed=seed)
            color = int(env.state().argmax())
            _, rewards, *_ = env.step({SENDER: 0, RECEIVER: action})
            assert rewards[SENDER] == rewards[RECEIVER]
            pays[color, action] = rewards[SENDER]
        seed += 1
    return pays


def profiles(states):
    """Expected payoff [sender's strategy, receiver's strategy] over all pure strategies with N messages."""
    pays = table(states)
    senders = np.array(list(product(range(states), repeat=states)))  # color -> message
    receivers = senders  # message -> action
    return np.stack([pays[np.arange(states), receivers[:, sender]].mean(axis=1) for sender in senders])


@pytest.mark.parametrize("states", [2, 3, 4])
def test_reference_is_exactly_what_enumeration_finds(states):
    values = profiles(states)
    reference = parallel_env(states).reference()
    nash = (values == values.max(axis=0, keepdims=True)) & (values == values.max(axis=1, keepdims=True))
    listed = [eq["payoffs"][SENDER] for eq in reference["equilibria"]]
    assert sorted(set(values[nash])) == pytest.approx(sorted(listed))
    assert values.max() == reference["optimum"] == 1
    systems = np.argwhere(values == 1)
    assert len(systems) == np.prod(np.arange(1, states + 1)), "N! signaling systems"


@pytest.mark.parametrize("states", [2, 4, 8])
def test_no_communication_bound_over_all_silent_strategies(states):
    assert table(states).mean(axis=0).max() == pytest.approx(parallel_env(states).reference()["no_communication"])


def test_only_the_sender_sees_and_only_the_receiver_decides():
    env = parallel_env()
    assert env.action_names(SENDER) == ["wait"]
    assert env.action_names(RECEIVER) == list(COLORS[:4])
    views = set()
    for seed in range(30):
        observations, _ = env.reset(seed=seed)
        assert env.describe_state() in env.describe(SENDER, observations[SENDER])
        assert env.describe(RECEIVER, observations[RECEIVER]) == "You do not see the color."
        views.add(observations[RECEIVER]["observation"].tobytes())
        after, _, ended, _, infos = env.step({SENDER: 0, RECEIVER: int(env.state().argmax())})
        assert ended == {SENDER: True, RECEIVER: True}
        assert infos[RECEIVER]["success"] == 1.0
        assert all(env.observation_space(agent).contains(after[agent]) for agent in after)
    assert len(views) == 1


@pytest.mark.parametrize("states", [1, 9, 2.5, False])
def test_refuses_other_numbers_of_states(states):
    with pytest.raises(ValueError, match="whole number from 2 to 8"):
        parallel_env(states)


def test_refuses_unknown_actions():
    env = parallel_env(2)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"receiver_0 plays 2; give a whole number from 0 to 1 \(red, green\)"):
        env.step({SENDER: 0, RECEIVER: 2})


@pytest.mark.parametrize("count", [2, 3, 4, 6])
def test_payoffs_by_situation_average_to_the_equilibrium(count: int) -> None:
    equilibria = parallel_env(states=count).reference()["equilibria"]
    for equilibrium in equilibria:
        pattern = equilibrium["situation_payoffs"]
        assert len(pattern) == count
        assert list(equilibrium["payoffs"].values()) == pytest.approx([sum(pattern) / count] * 2)
    assert len({tuple(equilibrium["situation_payoffs"]) for equilibrium in equilibria}) == len(equilibria)
