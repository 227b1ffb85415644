from itertools import product

import numpy as np
import pytest

from envs.matrix_game import GAMES, equilibria, parallel_env
from marl.testing import check_env

PLAYERS = ("player_0", "player_1")


def stage(game, **kwargs):
    """What the env itself pays, [rows, columns, 2]."""
    env = parallel_env(game, **kwargs)
    shape = [len(env.action_names(agent)) for agent in PLAYERS]
    pays = np.zeros((*shape, 2))
    for row, column in np.ndindex(*shape):
        env.reset()
        _, rewards, *_ = env.step({"player_0": row, "player_1": column})
        pays[row, column] = [rewards[agent] for agent in PLAYERS]
    return pays


def listed(game):
    return sorted(tuple(eq["payoffs"].values()) for eq in parallel_env(game).reference()["equilibria"])


@pytest.mark.parametrize("game", GAMES)
def test_pure_equilibria_are_what_enumeration_finds(game):
    pays = stage(game)
    best = (pays[..., 0] == pays[..., 0].max(axis=0)) & (pays[..., 1] == pays[..., 1].max(axis=1, keepdims=True))
    pure = [(row, column) for row, column in equilibria(pays) if row.max() == column.max() == 1]
    assert sorted((int(row.argmax()), int(column.argmax())) for row, column in pure) == [
        tuple(cell) for cell in np.argwhere(best).tolist()
    ]
    assert parallel_env(game).reference()["optimum"] == pays.mean(axis=2).max()


@pytest.mark.parametrize("game", GAMES)
def test_nobody_gains_by_leaving_an_equilibrium(game):
    pays = stage(game)
    for row, column in equilibria(pays):
        assert row.sum() == pytest.approx(1)
        assert column.sum() == pytest.approx(1)
        assert (pays[..., 0] @ column).max() == pytest.approx(row @ pays[..., 0] @ column)
        assert (row @ pays[..., 1]).max() == pytest.approx(row @ pays[..., 1] @ column)


@pytest.mark.parametrize(
    ("game", "payoffs"),
    [
        ("prisoners_dilemma", [(1, 1)]),
        ("stag_hunt", [(7, 7), (63 / 8, 63 / 8), (9, 9)]),  # mixed: 9p = 8p + 7(1 - p), p = 7/8
        ("battle_of_the_sexes", [(2 / 3, 2 / 3), (1, 2), (2, 1)]),
        ("chicken", [(2, 7), (14 / 3, 14 / 3), (7, 2)]),
        ("matching_pennies", [(0, 0)]),
        ("rock_paper_scissors", [(0, 0)]),
        ("climbing", [(55 / 16, 55 / 16), (7, 7), (11, 11)]),
        ("penalty", [(5 / 3, 5 / 3), (5 / 3, 5 / 3), (2, 2), (10, 10), (10, 10)]),
    ],
)
def test_equilibria_worked_out_by_hand(game, payoffs):
    assert np.allclose(listed(game), sorted(payoffs))


def test_rock_paper_scissors_is_played_uniformly():
    ((row, column),) = equilibria(stage("rock_paper_scissors"))
    assert row == pytest.approx([1 / 3] * 3)
    assert column == pytest.approx([1 / 3] * 3)


def test_the_published_tables():
    climbing, penalty = stage("climbing")[..., 0], stage("penalty")[..., 0]
    assert climbing.tolist() == [[11, -30, 0], [-30, 7, 6], [0, 0, 5]]
    assert penalty.tolist() == [[10, 0, -100], [0, 2, 0], [-100, 0, 10]]
    assert parallel_env("climbing").reference()["optimum"] == 11
    assert parallel_env("penalty").reference()["optimum"] == 10
    # Against a uniform partner the best joint move's parts look worst: the reason for which independent learners fall.
    assert climbing.mean(axis=1).argmax() == 2
    assert penalty.mean(axis=1).argmax() == 1


def test_repeated_games_show_the_last_moves_and_sum_up():
    env = parallel_env("battle_of_the_sexes", rounds=3)
    observations, _ = env.reset()
    assert env.describe("player_0", observations["player_0"]) == "Round 1 of 3."
    observations, *_ = env.step({"player_0": 0, "player_1": 1})
    assert env.describe("player_0", observations["player_0"]) == "Last: you ballet, other fight. Round 2 of 3."
    assert env.describe("player_1", observations["player_1"]) == "Last: you fight, other ballet. Round 2 of 3."
    assert np.array_equal(env.state(), observations["player_0"]["observation"])
    env.step({"player_0": 1, "player_1": 1})
    observations, _, ended, _, infos = env.step({"player_0": 0, "player_1": 0})
    assert all(ended.values())
    assert infos == {"player_0": {}, "player_1": {}}, "no success where payoffs differ"
    assert env.describe("player_0", observations["player_0"]).endswith("The game is over.")
    assert env.describe_state().startswith("round 1: player_0 ballet, player_1 fight; round 2")
    once, thrice = parallel_env("battle_of_the_sexes").reference(), env.reference()
    assert thrice["optimum"] == 3 * once["optimum"]
    for short, long in zip(once["equilibria"], thrice["equilibria"], strict=True):
        assert np.allclose(3 * np.array([*short["payoffs"].values()]), [*long["payoffs"].values()])


def test_success_is_the_best_joint_move_in_every_round():
    for moves in product(range(3), repeat=2):
        env = parallel_env("climbing", rounds=2)
        env.reset()
        env.step({"player_0": 0, "player_1": 0})
        *_, infos = env.step(dict(zip(PLAYERS, moves, strict=True)))
        assert infos["player_0"]["success"] == float(moves == (0, 0))


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("rounds", [1, 3])
def test_every_game_keeps_the_contract_and_its_rules_are_short(game, rounds):
    check_env(lambda: parallel_env(game, rounds=rounds), episodes=1)
    for agent in PLAYERS:
        assert len(parallel_env(game, rounds=rounds).rules(agent).split()) <= 45


def test_rules_are_told_from_ones_own_side():
    env = parallel_env("own", payoffs=[[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 10], [11, 12]]])
    assert "b c: 11 12." in env.rules("player_0")
    assert "c b: 12 11." in env.rules("player_1")
    assert env.action_names("player_0") == ["a", "b"]
    assert stage("own", payoffs=env.payoffs.tolist()).tolist() == env.payoffs.tolist()
    assert "left middle: -30." in parallel_env("climbing").rules("player_1")
    assert "rock paper: -1." in parallel_env("rock_paper_scissors").rules("player_1")


@pytest.mark.parametrize(
    ("payoffs", "message"),
    [
        ([[1, 2], [3, 4]], r"shape \[2, 2\]; give numbers \[rows\]\[columns\]\[2\]"),
        ([[[1, 2]], [[3, 4]]], r"shape \[2, 1, 2\]"),
        ([[[1, 2], [3]], [[1, 2], [3, 4]]], "is no table"),
        ([[[1, "x"], [3, 4]]] * 2, "is no table"),
        ([[[1, float("nan")], [3, 4]]] * 2, "not all finite"),
    ],
)
def test_refuses_tables_that_are_none(payoffs, message):
    with pytest.raises(ValueError, match=message):
        parallel_env("own", payoffs=payoffs)


def test_refuses_unknown_games_rounds_and_actions():
    with pytest.raises(ValueError, match=r"game='poker'; give one of prisoners_dilemma, .*or payoffs of your own"):
        parallel_env("poker")
    for rounds in (0, 65, 1.5, True):
        with pytest.raises(ValueError, match="whole number from 1 to 64"):
            parallel_env(rounds=rounds)
    env = parallel_env("climbing")
    env.reset()
    with pytest.raises(ValueError, match=r"player_1 plays 3; give a whole number from 0 to 2 \(left, middle, right\)"):
        env.step({"player_0": 0, "player_1": 3})
