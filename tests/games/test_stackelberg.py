import numpy as np
import pytest
from known_games import TWO_PLAYERS

from marl.errors import SolverError
from marl.games.normal_form import NormalFormGame
from marl.games.stackelberg import stackelberg


def test_the_example_of_conitzer_and_sandholm() -> None:
    """Their figure 1: the leader plays up and down half and half, the follower right, and the leader gets 3.5."""
    game = NormalFormGame([[[2, 4], [1, 3]], [[1, 0], [0, 1]]])
    found = stackelberg(game)
    np.testing.assert_allclose(found.strategy, [0.5, 0.5])
    assert (found.reply, found.leader_payoff) == (1, pytest.approx(3.5))
    assert found.attained
    weak = stackelberg(game, ties="weak")
    assert weak.leader_payoff == pytest.approx(3.5)
    assert not weak.attained


@pytest.mark.parametrize("ties", ["strong", "weak"])
@pytest.mark.parametrize("leader", [0, 1])
def test_random_games_by_scanning_the_simplex(ties: str, leader: int) -> None:
    rng = np.random.default_rng(0)
    grid = np.array([[i, j, 60 - i - j] for i in range(61) for j in range(61 - i)]) / 60
    for _ in range(20):
        payoffs = rng.normal(size=(2, 3, 3))
        found = stackelberg(NormalFormGame(payoffs), leader, ties)  # type: ignore[arg-type]
        own, theirs = (payoffs[0], payoffs[1]) if leader == 0 else (payoffs[1].T, payoffs[0].T)
        replies = (grid @ theirs).argmax(axis=1)
        best = (grid @ own)[np.arange(len(grid)), replies].max()
        assert best - 1e-9 <= found.leader_payoff <= best + 0.15
        assert found.strategy @ own[:, found.reply] == pytest.approx(found.leader_payoff)
        earned = found.strategy @ theirs
        assert earned[found.reply] >= earned.max() - 1e-7


def test_commitment_is_worth_the_value_in_zero_sum_games() -> None:
    table = np.array([[0, -1, 2], [1, 0, -1], [-2, 1, 0]])
    for ties in ("strong", "weak"):
        found = stackelberg(NormalFormGame([table, -table]), ties=ties)  # type: ignore[arg-type]
        assert found.leader_payoff == pytest.approx(0, abs=1e-9)
        np.testing.assert_allclose(found.strategy, [0.25, 0.5, 0.25], atol=1e-7)


def test_copies_of_a_reply_hurt_only_the_weak_leader() -> None:
    game = NormalFormGame([[[5, 1], [0, 0]], [[1, 1], [0, 0]]])
    assert stackelberg(game).leader_payoff == pytest.approx(5)
    weak = stackelberg(game, ties="weak")
    assert weak.leader_payoff == pytest.approx(1)
    assert weak.attained


def test_commitment_is_never_worse_than_an_equilibrium_of_a_pure_game() -> None:
    chicken = NormalFormGame(TWO_PLAYERS["chicken"][:2])
    assert stackelberg(chicken).leader_payoff == pytest.approx(7)
    assert stackelberg(chicken, 1).leader_payoff == pytest.approx(7)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SolverError, match="two players"):
        stackelberg(NormalFormGame(np.zeros((3, 2, 2, 2))))
    with pytest.raises(SolverError, match="player 0 or 1; given leader 2"):
        stackelberg(NormalFormGame(np.zeros((2, 2, 2))), 2)
