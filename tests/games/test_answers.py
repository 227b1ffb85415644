import time

import numpy as np
import pytest
from child_tasks import stubborn
from known_games import TWO_PLAYERS

from marl.games.answers import Question, answers
from marl.games.limits import MEGABYTES, Deadline
from marl.games.normal_form import NormalFormGame

CHICKEN, HUNT, PENNIES = (
    NormalFormGame(TWO_PLAYERS[name][:2]) for name in ("chicken", "stag_hunt", "matching_pennies")
)


def test_answers_come_in_the_order_of_questions_and_games() -> None:
    asked = [Question("pure", [CHICKEN, HUNT]), Question("ess", [HUNT]), Question("commitment", [CHICKEN], many=True)]
    pure, ess, commitment = answers(asked, Deadline(60), MEGABYTES)
    assert pure == [{"pure": [[0, 1], [1, 0]]}, {"pure": [[0, 0], [1, 1]]}]
    assert ess == [{"ess": [["1", "0"], ["0", "1"]]}]
    assert commitment[0]["stackelberg"][0]["leader_payoff"] == pytest.approx(7)  # type: ignore[index]


def test_brief_answers_leave_out_what_only_a_reader_of_one_game_wants() -> None:
    asked = [Question("correlated", [CHICKEN], many=True), Question("dominance", [CHICKEN], many=True)]
    (correlated,), (dominance,) = answers(asked, Deadline(60), MEGABYTES)
    assert correlated["correlated"]["max_welfare"] == pytest.approx(10.5)  # type: ignore[index]
    assert "fairest_equilibrium" not in correlated["correlated"]  # type: ignore[index]
    assert set(dominance["dominance"]) == {"strict"}  # type: ignore[index]


def test_a_share_of_the_time_ends_a_question_after_at_least_one_answer() -> None:
    games = [NormalFormGame(np.random.default_rng(k).normal(size=(2, 6, 6))) for k in range(2_000)]
    first, last = answers([Question("mixed", games, share=0.05), Question("pure", games[:1])], Deadline(20), MEGABYTES)
    assert 1 <= len(first) < len(games)
    assert len(last) == 1


def test_what_came_before_a_kill_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marl.games.answers.GRACE", 0.0)
    monkeypatch.setattr("marl.games.answers._work", stubborn)
    asked = [
        Question("mixed", [CHICKEN, HUNT], share=0.2),
        Question("pure", [HUNT]),
        Question("mixed", [CHICKEN], share=0.2),
    ]
    first, second, third = answers(asked, Deadline(16), MEGABYTES)
    assert len(first) == 1
    assert isinstance(first[0], dict)
    assert second == [{"pure": [[0, 0], [1, 1]]}]
    assert "stopped after" in third[0]


def test_what_is_kept_is_left_to_later_questions() -> None:
    hard = NormalFormGame(np.random.default_rng(0).normal(size=(4, 5, 5, 5, 5)))
    asked = [Question("mixed", [hard], 1.0, kept=9.0), Question("regret", [HUNT], many=True)]
    start = time.monotonic()
    first, later = answers(asked, Deadline(12), MEGABYTES)
    assert time.monotonic() - start < 10, "3 s and the start of a process"
    assert first[0]["complete"] == "unknown"  # type: ignore[index]
    assert later == [{"uniform_regret": [1.5, 1.5], "nash_conv": 3}]


def test_no_time_at_all_is_said() -> None:
    asked = [Question("pure", [HUNT]), Question("pure", [HUNT], many=True)]
    assert answers(asked, Deadline(1e-9), MEGABYTES) == [["not computed: the 1e-09 s were over"], []]


def test_out_of_time_is_no_answer_of_one_among_many_games() -> None:
    """Where there is no time for a game, nothing is said of it, which is not the same as that it has no answer."""
    large = NormalFormGame(np.random.default_rng(0).normal(size=(2, 60, 60)))
    none, many = answers(
        [Question("bargaining", [PENNIES]), Question("dominance", [large] * 3, 0.01, many=True)],
        Deadline(20),
        MEGABYTES,
    )
    assert none[0].startswith("no joint play gives every player more")  # type: ignore[union-attr]
    assert many == []
