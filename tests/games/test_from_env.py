from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from known_trees import kuhn_poker as kuhn_tree

from envs import kuhn_poker, lewis, matrix_game, scout_hunt, two_step
from marl.errors import SolverError
from marl.games.enumeration import extreme_equilibria
from marl.games.extensive import (
    ExtensiveGame,
    expected_payoffs,
    nash_conv,
    reduced_normal_form,
    uniform_profile,
    zero_sum_equilibrium,
)
from marl.games.extensive.nodes import Chance, Terminal
from marl.games.from_env import enumerate_env


def shape_of(game: ExtensiveGame) -> list[Any]:
    """The tree without its names: who moves at which of its sets (by first appearance), chance and payoffs."""
    sets = [{one.name: k for k, one in enumerate(own)} for own in game.information_sets]
    return [
        node.payoffs
        if isinstance(node, Terminal)
        else node.probabilities
        if isinstance(node, Chance)
        else (node.player, sets[node.player][node.information_set], len(node.actions))
        for node in game.nodes
    ]


def test_the_kuhn_env_is_the_kuhn_tree() -> None:
    found = enumerate_env(kuhn_poker.env)
    assert found.game.exact
    assert shape_of(found.game) == shape_of(kuhn_tree())
    assert zero_sum_equilibrium(found.game).payoffs == (Fraction(-1, 18), Fraction(1, 18))
    assert nash_conv(found.game, uniform_profile(found.game)) == Fraction(11, 12)
    names = {one.name for one in found.game.information_sets[0]}
    assert "Your card: jack. > pass > Your card: jack. Moves: pass, bet." in names


def test_the_observations_are_those_of_the_sets() -> None:
    found = enumerate_env(kuhn_poker.env)
    profile = []
    rng = np.random.default_rng(0)
    policy = dict(zip(kuhn_poker.information_sets(), rng.random(12).tolist(), strict=True))
    for own in found.observations:
        shares = [policy[kuhn_poker.information_set(observation)] for observation in own]
        profile.append([[1 - share, share] for share in shares])
    assert nash_conv(found.game, profile) == pytest.approx(kuhn_poker.nash_conv(policy), abs=1e-12)
    assert expected_payoffs(found.game, profile)[0] == pytest.approx(kuhn_poker.expected_value(policy), abs=1e-12)


@pytest.mark.parametrize("name", sorted(matrix_game.GAMES))
def test_a_matrix_env_has_the_equilibria_that_it_states(name: str) -> None:
    game = reduced_normal_form(enumerate_env(lambda: matrix_game.parallel_env(name)).game)
    env = matrix_game.parallel_env(name)
    assert game.strategies == tuple(map(tuple, env.moves.values()))
    assert np.array_equal(game.payoffs.astype(float), env.payoffs.transpose(2, 0, 1))
    found = extreme_equilibria(game).equilibria
    stated = [tuple(one["payoffs"].values()) for one in env.reference()["equilibria"]]
    ours = [tuple(float(u) for u in one.payoffs) for one in found]
    assert len(ours) == len(stated)
    assert all(min(np.abs(np.subtract(one, other)).max() for other in stated) < 1e-9 for one in ours)


def test_repeated_play_remembers() -> None:
    game = enumerate_env(lambda: matrix_game.parallel_env("prisoners_dilemma", rounds=2)).game
    assert [len(own) for own in game.information_sets] == [5, 5]
    assert "Round 1 of 2. > cooperate > Last: you cooperate, other defect. Round 2 of 2." in {
        one.name for one in game.information_sets[0]
    }


def test_chance_and_forced_moves() -> None:
    game = enumerate_env(lambda: lewis.parallel_env(3)).game
    assert [len(own) for own in game.information_sets] == [0, 1]
    assert game.leaf_chance.tolist() == [Fraction(1, 3)] * 9
    assert expected_payoffs(game, uniform_profile(game)) == (Fraction(1, 3), Fraction(1, 3))


@pytest.mark.parametrize("module", [two_step, scout_hunt])
def test_the_best_joint_play_without_messages_is_what_the_env_states(module: Any) -> None:
    """Without a channel, the best that both get on average by any pair of whole plans is the stated bound."""
    tree = enumerate_env(module.parallel_env).game
    best = reduced_normal_form(tree).payoffs.mean(axis=0).max()
    assert float(best) == pytest.approx(module.parallel_env().reference()["no_communication"])


class Turns:
    """Heads or tails with a coin: the agent guesses what the generator drew; what it sees is a plain array."""

    possible_agents = ["one"]
    agent_iter = None

    def __init__(self, **how: Any) -> None:
        self.how = how
        self._rng: Any = np.random.default_rng()
        self.hidden = np.random.default_rng()

    def action_space(self, agent: str) -> Any:
        return self.how.get("space", SimpleNamespace(n=2))

    def reset(self) -> None:
        if self.how.get("fresh"):
            self._rng = np.random.default_rng()
        self.coin, self.count = int(self._rng.integers(2)), 0
        self.agents, self.agent_selection = ["one"], "one"
        self.terminations, self.truncations, self.infos = {"one": False}, {"one": False}, {"one": {}}
        if "mask" in self.how:
            self.infos["one"]["action_mask"] = self.how["mask"]

    def observe(self, agent: str) -> Any:
        return np.array([self.count, self.hidden.random() if self.how.get("hidden") == "seen" else 0.0])

    def step(self, action: int | None) -> None:
        if action is None:
            self.agents = []
            return
        self.count += 1
        noise = self.hidden.random() if self.how.get("hidden") == "paid" else 0.0
        self.rewards = {"one": float(action == self.coin) * self.how.get("prize", 1) + noise}
        self.terminations["one"] = self.count >= self.how.get("rounds", 1)


def test_an_env_without_a_face_and_with_turns() -> None:
    game = enumerate_env(Turns).game
    assert [(one.name, one.actions) for one in game.information_sets[0]] == [("[0.0, 0.0]", ("0", "1"))]
    assert game.leaf_payoffs.tolist() == [[1, 0, 0, 1]]
    assert enumerate_env(lambda: Turns(mask=[0, 1])).game.leaf_payoffs.tolist() == [[0, 1]]
    floating = enumerate_env(lambda: Turns(prize=0.1)).game
    assert (floating.exact, floating.leaf_payoffs.tolist()) == (False, [[0.1, 0, 0, 0.1]])


def test_a_given_face_says_what_is_seen() -> None:
    face = SimpleNamespace(describe=lambda agent, seen: f"round {int(seen[0])}", action_names=lambda agent: ["h", "t"])
    [[one]] = enumerate_env(Turns, face=face).game.information_sets
    assert (one.name, one.actions) == ("round 0", ("h", "t"))


@pytest.mark.parametrize(
    ("how", "options", "told"),
    [
        ({"hidden": "seen"}, {}, "played the same way twice, the environment went on differently"),
        ({"hidden": "paid"}, {}, "played the same way twice"),
        ({"fresh": True}, {}, "must keep the generator in '_rng'"),
        ({}, {"generator": "dice"}, "has no attribute 'dice'"),
        ({"space": "Box(3)"}, {}, "the actions of one are Box"),
        ({"mask": [0, 0]}, {}, "one has no legal action"),
        ({"rounds": 20}, {"max_nodes": 50}, "larger than max_nodes"),
        ({"rounds": 10**9, "mask": [1, 0]}, {"max_nodes": 50}, "does not end"),
        ({"rounds": 14}, {"time_limit": 1e-9}, "enumeration of the environment took longer"),
    ],
)
def test_what_cannot_be_enumerated_is_said(how: dict[str, Any], options: dict[str, Any], told: str) -> None:
    with pytest.raises(SolverError, match=told):
        enumerate_env(lambda: Turns(**how), **options)
