from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from marl.policies.league import LeaguePolicy, drawn
from marl.policies.together import decide_together
from marl.types import Decision, View


class Says:
    """Answers with its own name and counts how often it is asked."""

    def __init__(self, name: str) -> None:
        self.name, self.trainable, self.calls = name, False, 0

    def decide(self, views: Sequence[View]) -> list[Decision]:
        self.calls += 1
        return [Decision(f"{self.name} as {view.agent} in {view.episode}") for view in views]


def view(agent: str, episode: int | None) -> View:
    return View(agent, "talk", "", (), 8, None, (), np.random.default_rng(0), episode)


def test_members_are_drawn_as_often_as_their_probability() -> None:
    wanted = [0.1, 0.6, 0.3]
    counts = Counter(drawn(3, "past", wanted, episode) for episode in range(4000))
    for place, probability in enumerate(wanted):
        sigma = (4000 * probability * (1 - probability)) ** 0.5
        assert abs(counts[place] - 4000 * probability) < 4 * sigma


def test_a_draw_depends_on_seed_league_and_episode_alone() -> None:
    draws = [[drawn(seed, name, [0.5, 0.5], i) for i in range(64)] for seed, name in ((0, "a"), (1, "a"), (0, "b"))]
    assert draws[0] == [drawn(0, "a", [0.5, 0.5], i) for i in range(64)]
    assert len({tuple(row) for row in draws}) == 3


def test_all_seats_of_a_league_have_the_same_member_in_an_episode() -> None:
    members = [Says(str(number)) for number in range(3)]
    league = LeaguePolicy("past", members, [1 / 3] * 3, 0)
    views = [view(agent, episode) for episode in range(30) for agent in ("x", "y")]
    answers = [decision.text for decision in league.decide(views)]
    assert answers == [f"{drawn(0, 'past', [1 / 3] * 3, v.episode or 0)} as {v.agent} in {v.episode}" for v in views]
    assert [member.calls for member in members] == [1, 1, 1]
    assert [d.text for d in decide_together([league] * len(views), views)] == answers


def test_outside_of_an_episode_the_last_member_plays() -> None:
    league = LeaguePolicy("past", [Says("old"), Says("new")], [1.0, 0.0], 0)
    assert league.member(None).name == "new"
    assert {league.member(episode).name for episode in range(9)} == {"old"}


def test_there_is_one_probability_for_each_member() -> None:
    with pytest.raises(ValueError, match="2 probabilities"):
        LeaguePolicy("past", [Says("old")], [0.5, 0.5], 0)
    with pytest.raises(ValueError, match="0 members"):
        LeaguePolicy("past", [], [], 0)


def test_mixtures_that_are_drawn_together_play_the_same_place() -> None:
    draws = [0.25, 0.75]
    one, two = (LeaguePolicy(name, [Says("a"), Says("b")], draws, 0, "others") for name in ("one", "two"))
    apart = LeaguePolicy("three", [Says("a"), Says("b")], draws, 0)
    names = [[league.member(episode).name for episode in range(64)] for league in (one, two, apart)]
    assert names[0] == names[1] != names[2]
