from itertools import product

import numpy as np
import pytest

from envs.stag_hunt import HARE, STAG, parallel_env


def returns(env, first, second):
    """Both players' sums of rewards for two sequences of moves."""
    env.reset(seed=0)
    total = np.zeros(2)
    for a, b in zip(first, second, strict=True):
        _, rewards, *_ = env.step({"player_0": a, "player_1": b})
        total += [rewards["player_0"], rewards["player_1"]]
    assert not env.agents
    return total


@pytest.fixture(scope="module")
def stage():
    env = parallel_env(rounds=1)
    return np.array([[returns(env, [a], [b]) for b in (STAG, HARE)] for a in (STAG, HARE)])


def test_stage_payoffs(stage):
    assert stage.tolist() == [[[10, 10], [1, 8]], [[8, 1], [5, 5]]]


def test_pure_and_mixed_equilibria_of_the_stage_game(stage):
    own = stage[..., 0]
    pure = [
        (a, b) for a, b in product((0, 1), repeat=2) if own[a, b] == own[:, b].max() and own[b, a] == own[:, a].max()
    ]
    assert pure == [(STAG, STAG), (HARE, HARE)]
    share = (own[1, 1] - own[0, 1]) / (own[0, 0] - own[1, 0] + own[1, 1] - own[0, 1])  # indifference
    assert share == pytest.approx(2 / 3)
    mixed = own @ [share, 1 - share]
    assert mixed[0] == pytest.approx(mixed[1])
    payoffs = [eq["payoffs"]["player_0"] for eq in parallel_env(rounds=1).reference()["equilibria"]]
    assert payoffs == pytest.approx([own[0, 0], own[1, 1], mixed[0]])
    assert own[1, 1] - own[0, 1] > own[0, 0] - own[1, 0], "hare is risk dominant: the larger loss from deviating"


def test_repeated_reference_by_enumerating_all_sequences():
    env = parallel_env(rounds=4)
    reference = env.reference()
    sequences = list(product((STAG, HARE), repeat=4))
    totals = {(a, b): returns(env, a, b) for a, b in product(sequences, repeat=2)}
    assert max(total.mean() for total in totals.values()) == reference["optimum"] == reference["no_communication"] == 40
    for move, equilibrium in zip((STAG, HARE), reference["equilibria"], strict=False):
        play = (move,) * 4
        # The other's play does not depend on ours, so sequences are all the deviations that can matter.
        assert max(totals[a, play][0] for a in sequences) == totals[play, play][0] == equilibrium["payoffs"]["player_0"]


def test_describe_tells_both_sides_of_the_past():
    env = parallel_env(rounds=3)
    observations, _ = env.reset()
    assert env.describe("player_0", observations["player_0"]) == "Round 1 of 3."
    observations, *_ = env.step({"player_0": STAG, "player_1": HARE})
    assert env.describe("player_0", observations["player_0"]) == "Round 1: you stag, other hare. Round 2 of 3."
    assert env.describe("player_1", observations["player_1"]) == "Round 1: you hare, other stag. Round 2 of 3."
    assert env.describe_state() == "round 1: player_0 stag, player_1 hare"
    env.step({"player_0": HARE, "player_1": HARE})
    observations, *_ = env.step({"player_0": STAG, "player_1": STAG})
    text = env.describe("player_1", observations["player_1"])
    assert text.endswith("Round 2: you hare, other hare. Round 3: you stag, other stag. The game is over.")
    assert env.observation_space("player_1").contains(observations["player_1"])


def test_state_tells_every_history_apart():
    env = parallel_env(rounds=2)
    states = set()
    for moves in product((STAG, HARE), repeat=4):
        returns(env, moves[:2], moves[2:])
        states.add(env.state().tobytes())
    assert len(states) == 16


@pytest.mark.parametrize("rounds", [0, 65, 1.5, True])
def test_refuses_other_numbers_of_rounds(rounds):
    with pytest.raises(ValueError, match="whole number from 1 to 64"):
        parallel_env(rounds)


def test_refuses_unknown_actions():
    env = parallel_env()
    env.reset()
    with pytest.raises(ValueError, match=r"player_1 plays 2; give 0 \(stag\) or 1 \(hare\)"):
        env.step({"player_0": 0, "player_1": 2})
