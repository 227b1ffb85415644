import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_games import TWO_PLAYERS, brute_extreme_equilibria, cheap_talk_stag_hunt

from marl.errors import SolverError
from marl.games.cheap_talk import CheapTalk, signaling_game
from marl.games.enumeration import extreme_equilibria
from marl.games.normal_form import NormalFormGame

STAG = NormalFormGame([[[4, 0], [3, 3]], [[4, 3], [0, 3]]], ("row", "column"), [["stag", "hare"]] * 2)


def test_stag_hunt_with_two_messages_of_one_speaker_has_sixteen_extreme_equilibria() -> None:
    """The construction behind the 16: one speaker, two messages, reduced plans. Either speaker, by symmetry."""
    one = CheapTalk(STAG)
    assert (one.game.payoffs == cheap_talk_stag_hunt()).all()
    other = CheapTalk(STAG, speakers=["column"]).game
    for game in (one.game, other):
        found = {equilibrium.profile for equilibrium in extreme_equilibria(game).equilibria}
        assert len(found) == 16
        assert found == brute_extreme_equilibria(*game.payoffs)


def test_plans_are_named_by_what_they_say_and_do() -> None:
    game = CheapTalk(STAG, messages=["yes", "no"]).game
    assert game.strategies[0] == ("say yes, stag", "say yes, hare", "say no, stag", "say no, hare")
    assert game.strategies[1][1] == "stag after yes, hare after no"
    both = CheapTalk(STAG, speakers=[0, 1]).game
    assert both.shape == (8, 8)
    assert both.strategies[0][1] == "say a, stag after a, hare after b"
    lewis = signaling_game(np.eye(2), np.eye(2), states=["left", "right"]).game
    assert lewis.strategies[0][1] == "left: say a; right: say b"


def test_one_message_changes_nothing() -> None:
    for speakers in ([], [0], [0, 1]):
        assert (CheapTalk(STAG, speakers=speakers, messages=1).game.payoffs == STAG.payoffs).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 2), min_size=2, max_size=3),
    st.integers(1, 2),
    st.integers(1, 2),
    st.sets(st.integers(0, 1)),
    st.integers(0, 1),
    st.integers(0, 2**32 - 1),
)
def test_payoffs_are_those_of_talking_and_playing_it_through(
    shape: list[int], states: int, messages: int, speakers: set[int], informed: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    stages = [NormalFormGame(rng.integers(-9, 9, (len(shape), *shape))) for _ in range(states)]
    prior = [Fraction(int(k), 1) for k in rng.integers(1, 5, states)]
    prior = [p / sum(prior) for p in prior]
    talk = CheapTalk(stages, prior=prior, informed=informed, speakers=sorted(speakers), messages=messages)
    assert [len(set(names)) for names in talk.game.strategies] == list(talk.game.shape)
    for plans in rng.permutation(list(np.ndindex(talk.game.shape)))[:20]:
        expected = [Fraction(0)] * len(shape)
        for state, (stage, weight) in enumerate(zip(stages, prior, strict=True)):
            known = [state if player == informed else 0 for player in range(len(shape))]
            said = {one: talk.says[one][plans[one], known[one]] for one in speakers}
            actions = []
            for player in range(len(shape)):
                (heard,) = [
                    h
                    for h in range(talk.heard_by(player))
                    if talk.heard_messages(player, h) == {one: m for one, m in said.items() if one != player}
                ]
                actions.append(talk.acts[player][plans[player], known[player], heard])
            for player in range(len(shape)):
                expected[player] += weight * stage.payoffs[(player, *actions)]
        assert list(talk.game.payoffs[(slice(None), *plans)]) == expected


def test_plans_are_all_and_different() -> None:
    talk = CheapTalk([STAG, STAG], informed=1, speakers=[0, 1])
    for player in range(2):
        plans = {(tuple(s), tuple(map(tuple, a))) for s, a in zip(talk.says[player], talk.acts[player], strict=True)}
        choices = list(itertools.product(range(2), itertools.product(range(2), repeat=2)))
        known = talk.known_by(player)
        every = {
            (tuple(m for m, _ in plan), tuple(a for _, a in plan)) for plan in itertools.product(choices, repeat=known)
        }
        assert plans == every
        assert len(talk.says[player]) == len(every)


def test_floats_and_fractions() -> None:
    assert CheapTalk(STAG).game.exact
    assert not CheapTalk(STAG, prior=[1.0]).game.exact
    assert not CheapTalk(NormalFormGame(np.array(TWO_PLAYERS["stag_hunt"][:2]) / 2)).game.exact
    weighted = signaling_game([[1, 0], [0, 1]], [[1, 0], [0, 1]], prior=["3/4", "1/4"]).game
    assert weighted.payoffs[0, 0, 0] == Fraction(3, 4)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"stages": []}, "no game is given"),
        ({"stages": [STAG, NormalFormGame([[[1]], [[1]]])]}, "same players and strategies"),
        ({"stages": STAG, "speakers": ["nobody"]}, "no player 'nobody'"),
        ({"stages": STAG, "informed": 2}, "no player 2"),
        ({"stages": STAG, "messages": 0}, "0 messages; give 1 to 26"),
        ({"stages": STAG, "messages": ["a", "a"]}, "different names"),
        ({"stages": [STAG, STAG], "states": ["one"]}, "2 different names"),
        ({"stages": [STAG, STAG], "prior": [1, 0]}, "probability 0"),
        ({"stages": [STAG, STAG], "prior": [1, 1]}, "sum to 1"),
        ({"stages": STAG, "speakers": [0, 1], "messages": 20}, r"which makes \d+ profiles"),
    ],
)
def test_what_does_not_fit_is_said(arguments: dict, told: str) -> None:
    with pytest.raises(SolverError, match=told):
        CheapTalk(**arguments)


def test_a_signaling_game_needs_both_payoffs_of_every_state() -> None:
    with pytest.raises(SolverError, match="payoffs for 1 states, receiver for 2"):
        signaling_game([[1, 0]], [[1, 0], [0, 1]])
