from itertools import product

import numpy as np
import pytest

from envs.scout_hunt import PARTNER, SCOUT, VALLEYS, parallel_env


def payoffs(valleys):
    """What the env itself pays: [stag's valley, scout's action, partner's action, agent]."""
    table = np.full((valleys, valleys + 1, valleys + 1, 2), np.nan)
    env = parallel_env(valleys)
    seed = 0
    while np.isnan(table).any():
        env.reset(seed=seed)
        stag = int(env.state().argmax())
        for a, b in product(range(valleys + 1), repeat=2):
            env.reset(seed=seed)
            _, rewards, *_ = env.step({SCOUT: a, PARTNER: b})
            table[stag, a, b] = rewards[SCOUT], rewards[PARTNER]
        seed += 1
    return table


@pytest.fixture(scope="module")
def table():
    return payoffs(4)


def test_payoffs_are_those_of_the_rules(table):
    for stag, a, b in product(range(4), range(5), range(5)):
        expected = [10, 10] if a == b == stag else [5 * (a == 4), 5 * (b == 4)]
        assert table[stag, a, b].tolist() == expected


@pytest.mark.parametrize("valleys", [2, 3, 4, 5])
def test_no_communication_bound_by_enumerating_every_silent_strategy_pair(valleys):
    mean = payoffs(valleys).mean(axis=3)
    scouts = np.array(list(product(range(valleys + 1), repeat=valleys)))  # stag's valley -> action
    pairs = mean[np.arange(valleys)[None, :, None], scouts[:, :, None], np.arange(valleys + 1)].mean(axis=1)
    assert pairs.max() == pytest.approx(parallel_env(valleys).reference()["no_communication"])
    if valleys > 2:
        assert pairs.max() == pytest.approx(5)
        assert pairs[(scouts == valleys).all(axis=1).nonzero()[0], valleys].item() == pytest.approx(5), "both hare"


def test_optimum_by_enumerating_every_message_and_action_map(table):
    mean = table.mean(axis=3)
    best = 0.0
    for partner in product(range(5), repeat=4):  # message -> action
        # The scout's message and action in one state touch no other state: the maximum splits by state.
        best = max(best, mean[:, :, list(partner)].max(axis=(1, 2)).mean())
    assert best == pytest.approx(parallel_env(4).reference()["optimum"]) == 10


def test_each_reference_equilibrium_survives_every_deviation(table):
    for equilibrium in parallel_env(4).reference()["equilibria"]:
        payoff = equilibrium["payoffs"][SCOUT]
        named = round((payoff - 5) / 5 * 4)
        message = [min(stag, named) if named < 4 else stag for stag in range(4)]
        partner = [m if m < named else 4 for m in range(4)]
        scout = [stag if stag < named else 4 for stag in range(4)]
        play = np.array([table[stag, scout[stag], partner[message[stag]]] for stag in range(4)])
        assert play.mean(axis=0).tolist() == [payoff, equilibrium["payoffs"][PARTNER]]
        best_scout = np.mean([table[stag][:, partner, 0].max() for stag in range(4)])
        best_partner = sum(
            max(sum(table[stag, scout[stag], b, 1] for stag in range(4) if message[stag] == m) for b in range(5))
            for m in range(4)
        )
        assert best_scout == pytest.approx(payoff)
        assert best_partner / 4 == pytest.approx(payoff)


def test_every_pure_equilibrium_of_the_small_game_lies_between_hare_and_optimum():
    table = payoffs(3)
    messages = np.array(list(product(range(3), repeat=3)))
    actions = np.array(list(product(range(4), repeat=3)))
    scouts = [(message, action) for message in messages for action in actions]
    partners = np.array(list(product(range(4), repeat=3)))
    states = np.arange(3)
    values = np.stack([table[states, action, partners[:, message]].mean(axis=1) for message, action in scouts])
    nash = np.isclose(values[..., 0], values[..., 0].max(axis=0, keepdims=True))
    nash &= np.isclose(values[..., 1], values[..., 1].max(axis=1, keepdims=True))
    found = {tuple(np.round(pair, 9)) for pair in values[nash]}
    reference = parallel_env(3).reference()
    listed = {tuple(np.round(list(eq["payoffs"].values()), 9)) for eq in reference["equilibria"]}
    assert listed <= found
    assert max(found) == (10, 10)
    assert min(min(pair) for pair in found) == 5


def test_only_the_scout_sees_and_views_stay_valid_after_the_end():
    env = parallel_env()
    partner_views, scout_texts = set(), set()
    for seed in range(40):
        observations, _ = env.reset(seed=seed)
        partner_views.add(observations[PARTNER]["observation"].tobytes())
        scout_texts.add(env.describe(SCOUT, observations[SCOUT]))
        assert env.describe(PARTNER, observations[PARTNER]) == "You do not see the stag."
        assert env.describe_state().split()[-2] in env.describe(SCOUT, observations[SCOUT])
        after, *_ = env.step({SCOUT: 4, PARTNER: 4})
        assert all(env.observation_space(agent).contains(after[agent]) for agent in after)
    assert len(partner_views) == 1
    assert scout_texts == {f"You see: the stag is in the {name} valley." for name in VALLEYS[:4]}


def test_rules_are_short_and_name_every_valley():
    env = parallel_env(8)
    for agent in env.possible_agents:
        assert len(env.rules(agent).split()) <= 45
        assert all(name in env.rules(agent) for name in VALLEYS)


def test_success_means_both_at_the_stag():
    env = parallel_env()
    env.reset(seed=1)
    stag = int(env.state().argmax())
    *_, infos = env.step({SCOUT: stag, PARTNER: stag})
    assert infos[SCOUT]["success"] == infos[PARTNER]["success"] == 1.0
    env.reset(seed=1)
    *_, infos = env.step({SCOUT: stag, PARTNER: 4})
    assert infos[SCOUT]["success"] == 0.0


@pytest.mark.parametrize("valleys", [1, 9, 2.0, True, "four"])
def test_refuses_other_numbers_of_valleys(valleys):
    with pytest.raises(ValueError, match="whole number from 2 to 8"):
        parallel_env(valleys)


@pytest.mark.parametrize("actions", [{SCOUT: 0}, {SCOUT: 0, PARTNER: 5}, {SCOUT: "north", PARTNER: 0}])
def test_refuses_unknown_actions(actions):
    env = parallel_env()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"from 0 to 4 \(north, east, south, west, hare\)"):
        env.step(actions)


@pytest.mark.parametrize("count", [2, 3, 4, 6])
def test_payoffs_by_situation_average_to_the_equilibrium(count: int) -> None:
    equilibria = parallel_env(valleys=count).reference()["equilibria"]
    for equilibrium in equilibria:
        pattern = equilibrium["situation_payoffs"]
        assert len(pattern) == count
        assert list(equilibrium["payoffs"].values()) == pytest.approx([sum(pattern) / count] * 2)
    assert len({tuple(equilibrium["situation_payoffs"]) for equilibrium in equilibria}) == len(equilibria)
