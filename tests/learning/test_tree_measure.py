import numpy as np
import pytest

from envs import kuhn_poker
from envs.kuhn_poker import equilibrium, expected_value, information_set, information_sets, nash_conv
from envs.matrix_game import parallel_env
from marl.errors import SolverError
from marl.learning.tree_measure import TreeMeasure


@pytest.fixture(scope="module")
def kuhn():
    return TreeMeasure(kuhn_poker.env())


def plan(game, policy):
    shares = [policy[information_set(observation)] for _, observation in game.situations]
    return game.plan([np.array([1 - share, share], dtype=np.float32) for share in shares])


def test_every_situation_is_there_once(kuhn):
    assert sorted(information_set(observation) for _, observation in kuhn.situations) == sorted(information_sets())
    assert [agent for agent, _ in kuhn.situations] == ["player_0"] * 6 + ["player_1"] * 6


def test_a_plan_is_worth_what_its_policy_is(kuhn):
    drawn = dict(zip(information_sets(), np.random.default_rng(0).random(12).tolist(), strict=True))
    for policy in (equilibrium(0.2), drawn):
        found = kuhn.measures(plan(kuhn, policy))
        assert found["nash_conv"] == pytest.approx(nash_conv(policy), abs=1e-6)
        assert found["player_0/payoff"] == pytest.approx(expected_value(policy), abs=1e-6)
        assert found["player_1/payoff"] == pytest.approx(-expected_value(policy), abs=1e-6)


def test_the_average_of_plans_plays_as_a_policy_drawn_anew_for_each_game(kuhn):
    facing = [f"{card} pass bet" for card in ("jack", "queen", "king")]
    never = dict.fromkeys(information_sets(), 0.0) | dict.fromkeys(facing, 1.0)
    always = dict.fromkeys(information_sets(), 1.0) | dict.fromkeys(facing, 0.0)
    # Whoever passed is the one that never bets first and always calls: the other is never there.
    mean = {name: (never[name] + always[name]) / 2 for name in never} | dict.fromkeys(facing, 1.0)
    average = (plan(kuhn, never) + plan(kuhn, always)) / 2
    assert kuhn.measures(average) == pytest.approx(kuhn.measures(plan(kuhn, mean)), abs=1e-12)


def test_uniform_play_of_rock_paper_scissors_is_the_equilibrium():
    game = TreeMeasure(parallel_env("rock_paper_scissors"))
    found = game.measures(game.plan([np.full(3, 1 / 3)] * 2))
    assert found["nash_conv"] == pytest.approx(0.0, abs=1e-12)
    assert (found["player_0/payoff"], found["player_1/scissors"]) == (pytest.approx(0.0), pytest.approx(1 / 3))
    assert game.measures(game.plan([np.array([1.0, 0.0, 0.0])] * 2))["nash_conv"] == pytest.approx(2.0)


def test_repeated_games_are_measured_round_by_round():
    game = TreeMeasure(parallel_env("prisoners_dilemma", rounds=2))
    defect = game.plan([np.array([0.0, 1.0])] * len(game.situations))
    assert (len(game.situations), game.measures(defect)["nash_conv"]) == (10, 0.0)
    # Whoever cooperates throughout is exploited by 2 in each round, by either side.
    assert game.measures(game.plan([np.array([1.0, 0.0])] * len(game.situations)))["nash_conv"] == 8.0


class Noisy(kuhn_poker.KuhnPoker):
    def reset(self, seed=None, options=None):
        super().reset(seed, options)
        self._rng.normal()


def test_games_that_cannot_be_enumerated_are_refused():
    with pytest.raises(SolverError, match="draws 'normal'"):
        TreeMeasure(Noisy())
