from itertools import permutations, product

import numpy as np
import pytest
from scipy.optimize import linprog

from envs.kuhn_poker import (
    AGENTS,
    CARDS,
    VALUE,
    best_response_value,
    env,
    equilibrium,
    expected_value,
    information_set,
    information_sets,
    nash_conv,
    view_at,
)

UNIFORM = dict.fromkeys(information_sets(), 0.5)
FIRST, SECOND = information_sets()[:6], information_sets()[6:]


def played(cards, policies):
    """player_0's payoff in the env itself, dealt `cards`, when both follow pure policies {information set: 0 or 1}."""
    game = env()
    game.reset(seed=0)
    game._cards = cards
    gains = dict.fromkeys(AGENTS, 0.0)
    for _ in game.agent_iter():
        observation, _, over, _, _ = game.last()
        if over:
            game.step(None)
            continue
        aggressive = policies[information_set(observation)]
        game.step(int(np.flatnonzero(observation["action_mask"])[aggressive]))
        for name, reward in game.rewards.items():
            gains[name] += reward
    assert gains["player_0"] == -gains["player_1"]
    return gains["player_0"]


@pytest.fixture(scope="module")
def matrix():
    """Expected payoff of player_0, [64 pure plans of player_0, 64 of player_1], played in the env itself."""
    plans = list(product((0, 1), repeat=6))
    deals = list(permutations(range(3), 2))
    # With one deal only two of a player's six information sets can come up: its plan is (own first, own second).
    outcome = {}
    for deal in deals:
        own, other = (CARDS[card] for card in deal)
        for bits in product((0, 1), repeat=4):
            names = (own, f"{own} pass bet", f"{other} pass", f"{other} bet")
            outcome[(deal, *bits)] = played(deal, dict(zip(names, bits, strict=True)))
    values = np.zeros((64, 64))
    for (i, one), (j, other) in product(enumerate(plans), repeat=2):
        mine, yours = dict(zip(FIRST, one, strict=True)), dict(zip(SECOND, other, strict=True))
        for deal in deals:
            a, b = (CARDS[card] for card in deal)
            values[i, j] += outcome[(deal, mine[a], mine[f"{a} pass bet"], yours[f"{b} pass"], yours[f"{b} bet"])] / 6
    return values


def test_value_of_the_game_by_linear_programming(matrix):
    """Maximize v subject to (mix @ matrix) >= v: the minimax theorem, over the pure plans as the env plays them."""
    count = len(matrix)
    found = linprog(
        np.append(np.zeros(count), -1),
        A_ub=np.hstack([-matrix.T, np.ones((count, 1))]),
        b_ub=np.zeros(count),
        A_eq=[[1] * count + [0]],
        b_eq=[1],
        bounds=[(0, 1)] * count + [(None, None)],
    )
    assert -found.fun == pytest.approx(VALUE) == pytest.approx(-1 / 18)
    assert env().reference()["equilibria"][0]["payoffs"]["player_0"] == VALUE


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.25, 1 / 3])
def test_the_family_of_equilibria(alpha):
    policy = equilibrium(alpha)
    assert nash_conv(policy) == pytest.approx(0, abs=1e-12)
    assert expected_value(policy) == pytest.approx(-1 / 18)


def test_uniform_play_can_be_exploited_for_eleven_twelfths():
    assert nash_conv(UNIFORM) == pytest.approx(11 / 12)


@pytest.mark.parametrize("seed", range(5))
def test_values_agree_with_the_game_in_normal_form(seed, matrix):
    """Kuhn's theorem: independent coins at the information sets are a mix of pure plans, the product of the coins."""
    rng = np.random.default_rng(seed)
    policy = dict(zip(information_sets(), rng.random(12), strict=True))
    plans = np.array(list(product((0, 1), repeat=6)))
    mixes = []
    for names in (FIRST, SECOND):
        shares = np.array([policy[name] for name in names])
        mixes.append(np.where(plans == 1, shares, 1 - shares).prod(axis=1))
    assert expected_value(policy) == pytest.approx(mixes[0] @ matrix @ mixes[1])
    assert best_response_value(policy, "player_0") == pytest.approx((matrix @ mixes[1]).max())
    assert best_response_value(policy, "player_1") == pytest.approx(-(mixes[0] @ matrix).min())
    assert nash_conv(policy) == pytest.approx((matrix @ mixes[1]).max() - (mixes[0] @ matrix).min())
    assert nash_conv(policy) > 0


@pytest.mark.parametrize(
    ("cards", "moves", "gain"),
    [
        ((2, 0), (0, 0), 1),  # both pass: the king wins an ante
        ((0, 2), (0, 0), -1),
        ((0, 2), (1, 2), 1),  # a bluff that works
        ((0, 2), (1, 3), -2),
        ((2, 1), (1, 3), 2),
        ((2, 1), (0, 1, 2), -1),  # the king folds, wrongly
        ((2, 1), (0, 1, 3), 2),
        ((0, 1), (0, 1, 3), -2),
    ],
)
def test_payoffs_of_whole_games(cards, moves, gain):
    game = env()
    game.reset(seed=0)
    game._cards = cards
    for move in moves:
        assert not any(game.terminations.values())
        assert set(game.rewards.values()) == {0.0}
        game.step(move)
    assert all(game.terminations.values())
    assert game.rewards == {"player_0": gain, "player_1": -gain}


def test_observations_show_the_information_set_and_nothing_else():
    for name in information_sets():
        agent, observation = view_at(name)
        assert information_set(observation) == name
        assert env().observation_space(agent).contains(observation)
        card, *moves = name.split()
        told = f" Moves: {', '.join(moves)}." if moves else ""
        assert env().describe(agent, observation) == f"Your card: {card}.{told}"
    views = {}
    for seed in range(60):
        game = env()
        game.reset(seed=seed)
        seen = tuple(game.observe(agent)["observation"].tobytes() for agent in AGENTS)
        views.setdefault(game._cards, set()).add(seen)
        assert game.describe_state() == (
            f"player_0 has the {CARDS[game._cards[0]]}, player_1 has the {CARDS[game._cards[1]]}"
        )
    assert len(views) == 6, "all deals come up"
    for seat in range(2):
        for card in range(3):
            same = {seen[seat] for cards, found in views.items() if cards[seat] == card for seen in found}
            assert len(same) == 1, "the other's card shows nowhere"


def test_only_the_selected_player_has_legal_moves():
    game = env()
    game.reset(seed=0)
    assert game.observe("player_0")["action_mask"].tolist() == [1, 1, 0, 0]
    assert game.observe("player_1")["action_mask"].tolist() == [0, 0, 0, 0]
    game.step(1)
    assert game.observe("player_0")["action_mask"].tolist() == [0, 0, 0, 0]
    assert game.observe("player_1")["action_mask"].tolist() == [0, 0, 1, 1]
    with pytest.raises(ValueError, match=r"player_1 plays 0; give 2 \(fold\) or 3 \(call\)"):
        game.step(0)


def test_refuses_policies_that_are_none():
    with pytest.raises(ValueError, match=r"lacks \['jack'\] and has unknown \['ace'\]"):
        nash_conv({("ace" if name == "jack" else name): 0.5 for name in UNIFORM})
    with pytest.raises(ValueError, match="give probabilities of betting or calling"):
        nash_conv({**UNIFORM, "king": 1.5})
    with pytest.raises(ValueError, match=r"alpha=0\.5; give a number from 0 to 1/3"):
        equilibrium(0.5)
    with pytest.raises(ValueError, match="'ace' is no information set"):
        view_at("ace")
    assert len(env().rules("player_0").split()) <= 45
