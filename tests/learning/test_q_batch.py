"""Transitions of hand-made episodes: two agents, in turn or at once, one of them absent now and then."""

from __future__ import annotations

import numpy as np
import pytest
from handmade import make_episode, make_turn

from marl.errors import LearningError
from marl.learning.features import ROUNDS
from marl.learning.q_batch import own_transitions, packed, team_transitions, transition_rows, unpacked

TEAM = ("x", "y")


def ids(transitions):
    return [
        (
            tuple(None if turn is None else turn.id for turn in each.now),
            pytest.approx(each.reward),
            tuple(None if turn is None else turn.id for turn in each.then),
        )
        for each in transitions
    ]


def at_once():
    """Step 0: both; step 1: y alone (x had one legal action); step 2: both. x is paid 1, y 3 after step 1."""
    return [
        make_turn(0, "x", step=0, reward=1.0, paid={"x": 0.5}),
        make_turn(1, "y", step=0, reward=0.0, paid={"y": 0.25}),
        make_turn(2, "y", step=1, reward=3.0, paid={"x": 1.0, "y": 3.0}),
        make_turn(3, "x", step=2),
        make_turn(4, "y", step=2, reward=2.0, paid={"y": 2.0}),
    ]


def test_an_agents_next_situation_is_its_own_next_turn():
    found = own_transitions([make_episode(at_once()[::-1])], {"p"})["p"]
    assert ids(found) == [
        ((0,), 1.0, (3,)),
        ((3,), 0.0, (None,)),
        ((1,), 0.0, (2,)),
        ((2,), 3.0, (4,)),
        ((4,), 2.0, (None,)),
    ]
    assert [each.terminal for each in found] == [False, True, False, False, True]


def test_a_team_goes_from_moment_to_moment_with_the_absent_left_out():
    found = team_transitions([make_episode(at_once()[::-1])], TEAM, {"p"})
    assert ids(found) == [((0, 1), 0.375, (None, 2)), ((None, 2), 2.0, (3, 4)), ((3, 4), 1.0, (None, None))]


def test_taking_turns_each_move_is_a_moment_and_bears_what_all_receive_for_it():
    """x moves, y moves; only y's move pays, and it pays x: x's own turn has the reward, the team's moment is y's."""
    turns = [make_turn(0, "x", step=0, reward=4.0), make_turn(1, "y", step=1, reward=0.0, paid={"x": 4.0})]
    episode = make_episode(turns)
    assert ids(team_transitions([episode], TEAM, {"p"})) == [
        ((0, None), 0.0, (None, 1)),
        ((None, 1), 2.0, (None, None)),
    ]
    assert ids(own_transitions([episode], {"p"})["p"]) == [((0,), 4.0, (None,)), ((1,), 0.0, (None,))]


def test_talk_rounds_are_moments_of_their_own():
    turns = [
        make_turn(0, "x", phase="talk", round=0),
        make_turn(1, "y", phase="talk", round=0),
        make_turn(2, "x", phase="talk", round=1),
        make_turn(3, "y", phase="talk", round=1),
        make_turn(4, "x", round=2, paid={"x": 1.0}),
    ]
    found = team_transitions([make_episode(turns)], TEAM, {"p"})
    assert ids(found) == [((0, 1), 0.0, (2, 3)), ((2, 3), 0.0, (4, None)), ((4, None), 0.5, (None, None))]


def test_a_teammate_that_does_not_learn_is_no_part_of_the_team_and_its_moments_still_pay():
    turns = [
        make_turn(0, "x", step=0),
        make_turn(1, "y", policy="fixed", step=1, log_probs=(), paid={"x": 2.0, "y": 9.0}),
    ]
    assert ids(team_transitions([make_episode(turns)], ("x",), {"p"})) == [((0,), 2.0, (None,))]


def test_what_follows_a_cut_is_not_known():
    cut = at_once()
    for turn in cut[3:]:
        turn.next_state = turn.next_features = np.zeros(3, np.float32)
    episode = make_episode(cut, outcome="truncated")
    assert [each.now[0].id for each in own_transitions([episode], {"p"})["p"]] == [0, 1, 2]
    assert [each.now[1].id for each in team_transitions([episode], TEAM, {"p"})] == [1, 2]


def test_what_one_is_paid_in_the_end_counts_although_another_was_cut_off_before():
    """x has a time limit of its own; y goes on to the end, which pays."""
    turns = [make_turn(0, "x", step=0), make_turn(1, "y", step=0), make_turn(2, "y", step=1, paid={"y": 4.0})]
    turns[0].next_state = turns[0].next_features = np.zeros(3, np.float32)
    episode = make_episode(turns, outcome="truncated")
    assert ids(team_transitions([episode], TEAM, {"p"})) == [((0, 1), 0.0, (None, 2)), ((None, 2), 2.0, (None, None))]
    assert ids(team_transitions([episode], ("y",), {"p"})) == [((1,), 0.0, (2,)), ((2,), 4.0, (None,))]


def test_over_several_steps_rewards_shrink_and_what_follows_lies_further_on():
    turns = [make_turn(k, "x", step=k, reward=2.0**k, paid={"x": 2.0**k}) for k in range(4)]
    whole = make_episode(turns, agents=("x",))
    expected = [((0,), 1.0 + 1.0 + 1.0, (3,)), ((1,), 6.0, (None,)), ((2,), 8.0, (None,)), ((3,), 8.0, (None,))]
    for found in (
        own_transitions([whole], {"p"}, steps=3, gamma=0.5)["p"],
        team_transitions([whole], ("x",), {"p"}, steps=3, gamma=0.5),
    ):
        assert ids(found) == expected
        assert [each.steps for each in found] == [3, 3, 2, 1]
    turns[-1].next_state = turns[-1].next_features = np.zeros(3, np.float32)
    cut = make_episode(turns, agents=("x",), outcome="truncated")
    for found in (
        own_transitions([cut], {"p"}, steps=3, gamma=0.5)["p"],
        team_transitions([cut], ("x",), {"p"}, steps=3, gamma=0.5),
    ):
        assert ids(found) == [((0,), 3.0, (3,)), ((1,), 4.0, (3,)), ((2,), 4.0, (3,))]
        assert [each.steps for each in found] == [3, 2, 1]
    assert transition_rows(found, [Listing()], state=False)["steps"].tolist() == [3, 2, 1]


def test_failed_episodes_are_left_out_and_rewards_that_are_no_numbers_refused():
    assert own_transitions([make_episode(at_once(), outcome="failed")], {"p"}) == {}
    assert team_transitions([make_episode(at_once(), outcome="failed")], TEAM, {"p"}) == []
    with pytest.raises(LearningError, match="the reward is nan"):
        team_transitions([make_episode([make_turn(0, "x", reward=float("nan"))])], TEAM, {"p"})


class Listing:
    """Keeps turn ids, as an array and as a list."""

    def situations(self, turns):
        found = [-1 if turn is None else turn.id for turn in turns]
        return {"array": np.array(found), "list": [(number, (number,)) for number in found]}

    def choices(self, turns):
        return np.array([0 if turn is None else turn.choice for turn in turns])


def test_rows_hold_both_sides_of_each_transition_seat_by_seat():
    turns = at_once()
    turns[2].state = np.array([6.0, 7.0, 8.0], np.float32)
    transitions = team_transitions([make_episode(turns)], TEAM, {"p"})
    rows = transition_rows(transitions, [Listing(), Listing()], state=True)
    assert rows["0/present"].tolist() == [True, False, True]
    assert rows["0/next_present"].tolist() == [False, True, False]
    assert rows["1/now/array"].tolist() == [1, 2, 4]
    assert rows["1/then/list"] == [(2, (2,)), (4, (4,)), (-1, (-1,))]
    assert rows["terminal"].tolist() == [False, False, True]
    assert rows["state"].tolist() == [[3, 4, 5, 1, 0], [6, 7, 8, 1, 0], [3, 4, 5, 1, 0]]
    assert rows["next_state"].tolist() == [[6, 7, 8, 1, 0], [3, 4, 5, 1, 0], [0, 0, 0, 0, 0]]
    assert "state" not in transition_rows(transitions, [Listing(), Listing()], state=False)
    again = unpacked(packed(rows))
    assert again.keys() == rows.keys()
    assert again["1/then/list"] == rows["1/then/list"]
    assert all(np.array_equal(again[name], rows[name]) for name in ("reward", "0/now/array"))


def test_the_state_tells_the_moment():
    turn = make_turn(0, "x", phase="talk", round=2)
    rows = transition_rows(own_transitions([make_episode([turn])], {"p"})["p"], [Listing()], state=True)
    assert rows["state"][0].tolist() == [3, 4, 5, 0, 2 / ROUNDS]
