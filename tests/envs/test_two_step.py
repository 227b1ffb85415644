from itertools import product

import numpy as np
import pytest

from envs.two_step import parallel_env

PLAYERS = ("player_0", "player_1")
PLANS = list(product((0, 1), repeat=3))  # move in step 1, in 2A, in 2B


def value(plans):
    """What the env pays when the players follow two plans."""
    env = parallel_env()
    env.reset()
    total = 0.0
    while env.agents:
        place = int(env.state().argmax())
        _, rewards, *_ = env.step({agent: plan[place] for agent, plan in zip(PLAYERS, plans, strict=True)})
        assert rewards["player_0"] == rewards["player_1"]
        total += rewards["player_0"]
    return total


def test_reference_is_exactly_what_enumeration_finds():
    values = np.array([[value((one, other)) for other in PLANS] for one in PLANS])
    nash = (values == values.max(axis=0, keepdims=True)) & (values == values.max(axis=1, keepdims=True))
    reference = parallel_env().reference()
    assert sorted(set(values[nash])) == sorted(eq["payoffs"]["player_0"] for eq in reference["equilibria"]) == [7, 8]
    assert values.max() == reference["optimum"] == reference["no_communication"]


def test_only_the_eight_is_subgame_perfect():
    """Game 2B has one equilibrium only, both b: the 7 rests on expecting a mistake there."""
    pays = np.array([[value(((1, 0, one), (0, 0, other))) for other in (0, 1)] for one in (0, 1)])
    assert pays.tolist() == [[0, 1], [1, 8]]
    assert (pays[1] > pays[0]).all(), "b is dominant"


def test_only_player_0_chooses_the_game_and_both_see_which():
    for first, second in product((0, 1), repeat=2):
        env = parallel_env()
        observations, _ = env.reset()
        assert env.describe("player_1", observations["player_1"]) == "Step 1."
        observations, rewards, ended, *_ = env.step({"player_0": first, "player_1": second})
        assert set(rewards.values()) == {0.0}
        assert not any(ended.values())
        assert env.describe("player_1", observations["player_1"]) == f"Step 2, game {('2A', '2B')[first]}."
        assert env.describe_state() == f"step 2, game {('2A', '2B')[first]}"


@pytest.mark.parametrize(("last", "success"), [((1, 1), 1.0), ((0, 1), 0.0)])
def test_success_is_the_eight(last, success):
    env = parallel_env()
    env.reset()
    env.step({"player_0": 1, "player_1": 0})
    *_, infos = env.step(dict(zip(PLAYERS, last, strict=True)))
    assert infos["player_1"]["success"] == success


def test_refuses_unknown_actions_and_keeps_rules_short():
    env = parallel_env()
    env.reset()
    with pytest.raises(ValueError, match=r"player_1 plays None; give 0 \(a\) or 1 \(b\)"):
        env.step({"player_0": 0})
    assert len(env.rules("player_0").split()) <= 45
