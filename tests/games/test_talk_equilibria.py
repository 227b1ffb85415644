import itertools
import json
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_games import TWO_PLAYERS

from marl.errors import SolverError
from marl.games.cheap_talk import CheapTalk, signaling_game
from marl.games.enumeration import extreme_equilibria
from marl.games.equilibrium import certify
from marl.games.normal_form import NormalFormGame
from marl.games.talk_equilibria import TalkEquilibrium, solve_cheap_talk, talk_equilibrium, talk_record

HALF = Fraction(1, 2)
EYE = [[1, 0], [0, 1]]


def classified(talk: CheapTalk) -> list[TalkEquilibrium]:
    found = extreme_equilibria(talk.game)
    assert found.complete == "yes"
    return [talk_equilibrium(talk, one) for one in found.equilibria]


def outcomes(talk: CheapTalk, kind: str) -> set[tuple]:
    return {one.equilibrium.payoffs for one in classified(talk) if one.kind == kind}


def known(name: str, **arguments: object) -> CheapTalk:
    return CheapTalk(NormalFormGame(TWO_PLAYERS[name][:2]), **arguments)  # type: ignore[arg-type]


def test_one_speakers_talk_cannot_settle_a_stag_hunt() -> None:
    """Aumann 1990; Farrell & Rabin 1996: there the messages that are sent change no play of an extreme equilibrium."""
    kinds = Counter(one.kind for one in classified(CheapTalk(NormalFormGame([[[4, 0], [3, 3]], [[4, 3], [0, 3]]]))))
    assert kinds == {"babbling": 8, "off path": 8}


def test_two_speakers_draw_lots_in_the_battle_of_the_sexes() -> None:
    """Aumann & Hart 2003, jointly controlled lotteries: each says a or b with 1/2; ballet if they agree, else fight."""
    talk = known("battle_of_the_sexes", speakers=[0, 1])
    lots = [one for one in classified(talk) if one.equilibrium.payoffs == (Fraction(3, 2),) * 2]
    assert len(lots) == 2
    for one in lots:
        assert one.kind == "informative"
        assert one.heard_bits == pytest.approx((1, 1))
        assert all((says == HALF).all() for says in one.says if says is not None)
    assert outcomes(known("battle_of_the_sexes"), "informative") == set()


def test_conflict_leaves_nothing_to_say() -> None:
    """Where one gains what the other loses, messages change nothing (Farrell & Rabin 1996)."""
    assert {one.kind for one in classified(known("matching_pennies", speakers=[0, 1]))} == {"babbling"}
    lied_to = signaling_game([[0, 1], [1, 0]], EYE)
    assert {(one.kind, one.convention) for one in classified(lied_to)} == {("babbling", "pooling")}
    assert {one.kind for one in classified(known("prisoners_dilemma"))} == {"babbling"}


def test_lewis_has_two_signaling_systems_and_else_pools() -> None:
    """Lewis 1969, chapter IV, two states, two signals, two acts."""
    found = classified(signaling_game(EYE, EYE))
    systems = [one for one in found if one.kind == "informative"]
    assert {tuple(map(tuple, one.says[0])) for one in systems} == {((1, 0), (0, 1)), ((0, 1), (1, 0))}  # type: ignore[arg-type]
    for one in systems:
        assert (one.convention, one.state_bits, one.heard_bits) == ("separating", 1.0, (0.0, 1.0))
        assert one.equilibrium.payoffs == (1, 1)
    rest = [one for one in found if one.kind != "informative"]
    assert {(one.kind, one.convention, one.equilibrium.payoffs) for one in rest} == {
        ("babbling", "pooling", (HALF,) * 2)
    }


def crawford_sobel(bias: Fraction) -> CheapTalk:
    """States 0, 1, 2 alike; the receiver wants to act on them, the sender `bias` above; all means can be chosen."""
    acts = [Fraction(k, 2) for k in range(5)]
    sender = [[-((a - t - bias) ** 2) for a in acts] for t in range(3)]
    return signaling_game(sender, [[-((a - t) ** 2) for a in acts] for t in range(3)])


@pytest.mark.parametrize(
    ("bias", "partitions"),
    [
        # {0, 1} from {2} needs that 1 prefers the mean 1/2 to 2: bias <= 1/4. {0} from {1, 2} needs that 0 prefers 0 to
        # 3/2: bias <= 3/4. By the theory only such intervals, and chance at their borders, can be told.
        (Fraction(1, 5), {((0, 1), (2,)), ((0,), (1, 2))}),
        (Fraction(1, 2), {((0,), (1, 2))}),
        (Fraction(4, 5), set()),
    ],
)
def test_the_more_biased_a_sender_the_less_it_can_tell(bias: Fraction, partitions: set) -> None:
    """Crawford & Sobel 1982, with three states, solved by hand."""
    pure = set()
    for one in classified(crawford_sobel(bias)):
        if one.kind == "informative":
            assert one.convention == "partial pooling"
            assert 0 < one.state_bits < math.log2(3)
            says = one.says[0]
            assert says is not None
            if set(says.ravel()) == {0, 1}:
                pure.add(tuple(sorted(tuple(np.flatnonzero(says[:, m] == 1).tolist()) for m in range(2))))
                assert one.equilibrium.payoffs == (-Fraction(1, 6) - bias**2, -Fraction(1, 6))
    assert pure == partitions
    if not partitions:
        assert outcomes(crawford_sobel(bias), "informative") == set()


def by_full_enumeration(talk: CheapTalk, profile: list[list[float]]) -> tuple[float, list[float]]:
    """I(state; messages) and I(heard; action | known, own message) from the joint distribution, entry by entry."""
    joint: Counter = Counter()
    for state, plans in itertools.product(range(len(talk.states)), np.ndindex(talk.game.shape)):
        weight = float(talk.prior[state]) * math.prod(own[k] for own, k in zip(profile, plans, strict=True))
        known = [state if player == talk.informed else 0 for player in range(len(plans))]
        said = tuple(int(talk.says[one][plans[one], known[one]]) for one in talk.speakers)
        mine = [dict(zip(talk.speakers, said, strict=True)).get(player, 0) for player in range(len(plans))]
        heard, acts = [], []
        for player in range(len(plans)):
            others = [m for one, m in zip(talk.speakers, said, strict=True) if one != player]
            heard.append(sum(m * len(talk.messages) ** k for k, m in enumerate(others)))
            acts.append(int(talk.acts[player][plans[player], known[player], heard[-1]]))
        joint[state, said, tuple(known), tuple(heard), tuple(acts), tuple(mine)] += weight

    def information(left: object, right: object, given: object) -> float:
        tables = [Counter() for _ in range(4)]
        for key, weight in joint.items():
            a, b, c = left(key), right(key), given(key)  # type: ignore[operator]
            for table, cell in zip(tables, [(a, b, c), (a, c), (b, c), c], strict=True):
                table[cell] += weight
        whole, one, other, base = tables
        return sum(w * math.log2(w * base[c] / (one[a, c] * other[b, c])) for (a, b, c), w in whole.items() if w > 0)

    return information(lambda k: k[0], lambda k: k[1], lambda k: 0), [
        information(lambda k, p=p: k[3][p], lambda k, p=p: k[4][p], lambda k, p=p: (k[2][p], k[5][p]))
        for p in range(len(talk.players))
    ]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 2), st.sets(st.integers(0, 1)), st.integers(0, 1), st.booleans(), st.integers(0, 2**32 - 1))
def test_information_by_full_enumeration(
    states: int, speakers: set[int], informed: int, exact: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    stages = [NormalFormGame(rng.integers(0, 5, (2, 1 + states // 2, 2))) for _ in range(states)]
    talk = CheapTalk(stages, informed=informed, speakers=sorted(speakers))
    profile = []
    for size in talk.game.shape:
        own = rng.integers(0, 2, size) + (np.arange(size) == rng.integers(size))
        profile.append([Fraction(int(k), int(own.sum())) for k in own])
    given_to = profile if exact else [[float(p) for p in own] for own in profile]
    one = talk_equilibrium(talk, certify(talk.game, given_to, "by hand"))
    state_bits, heard_bits = by_full_enumeration(talk, [[float(p) for p in own] for own in profile])
    assert one.state_bits == pytest.approx(state_bits, abs=1e-8)
    assert one.heard_bits == pytest.approx(heard_bits, abs=1e-8)
    assert (one.kind == "informative") == (max(heard_bits) > 1e-8)
    if states == 1:
        assert one.convention is None
    else:
        assert (one.convention == "pooling") == (state_bits < 1e-8)
        assert (one.convention == "separating") == (state_bits > 1 - 1e-8)


def test_three_speakers_hear_each_other() -> None:
    """All three say the same and each acts on what the second says: a bit for the others, none for itself."""
    stage = NormalFormGame([np.eye(2, dtype=int)[:, :, None] * np.ones((1, 1, 2), dtype=int)] * 3)
    talk = CheapTalk(stage, speakers=[0, 1, 2])
    profile = []
    for player in range(3):
        own = [Fraction(0)] * talk.game.shape[player]
        for message in range(2):

            def wanted(h: int, player: int = player, message: int = message) -> int:
                return message if player == 1 else talk.heard_messages(player, h)[1]

            plan = next(
                k
                for k in range(len(own))
                if talk.says[player][k, 0] == message
                and all(talk.acts[player][k, 0, h] == wanted(h) for h in range(talk.heard_by(player)))
            )
            own[plan] = HALF
        profile.append(own)
    one = talk_equilibrium(talk, certify(talk.game, profile, "by hand"))
    assert one.heard_bits == pytest.approx((1, 0, 1))
    assert one.kind == "informative"


def test_the_record_is_plain_and_complete() -> None:
    talk = signaling_game(EYE, EYE, states=["left", "right"], actions=["L", "R"])
    record = solve_cheap_talk(talk)
    assert record == talk_record(talk)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert (record["complete"], len(record["equilibria"])) == ("yes", 11)
    assert Counter(one["kind"] for one in record["equilibria"]) == {"babbling": 9, "informative": 2}
    assert record["strategies"] == [["talk"], ["L", "R"]]
    assert (record["informed"], record["speakers"], record["prior"]) == (0, [0], ["1/2", "1/2"])
    best = next(one for one in record["equilibria"] if one["kind"] == "informative")
    assert best["says"][1] is None
    assert best["says"][0] == [["1", "0"], ["0", "1"]]


def test_what_does_not_fit_is_said() -> None:
    talk = CheapTalk(NormalFormGame(TWO_PLAYERS["stag_hunt"][:2]))
    other = extreme_equilibria(NormalFormGame(TWO_PLAYERS["stag_hunt"][:2])).equilibria[0]
    with pytest.raises(SolverError, match="none of the extended game"):
        talk_equilibrium(talk, other)
    with pytest.raises(SolverError, match="time limit must be positive"):
        talk_record(talk, time_limit=0)
    with pytest.raises(SolverError, match="time limit must be positive"):
        solve_cheap_talk(talk, time_limit=float("nan"))
