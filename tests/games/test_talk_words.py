import json
import re
from fractions import Fraction

import pytest
from known_games import TWO_PLAYERS, volunteers_dilemma

from marl.games.cheap_talk import CheapTalk, signaling_game
from marl.games.normal_form import NormalFormGame
from marl.games.phrases import number
from marl.games.talk_equilibria import talk_record
from marl.games.talk_words import talk_sentences

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?(?!\w)")
HALVES = [Fraction(k, 2) for k in range(5)]
TALKS = {
    "stag hunt": CheapTalk(NormalFormGame(TWO_PLAYERS["stag_hunt"][:2], ["row", "col 2"], [["stag", "hare 3"]] * 2)),
    "both": CheapTalk(NormalFormGame(TWO_PLAYERS["battle_of_the_sexes"][:2]), speakers=[0, 1]),
    "lewis": signaling_game([[1, 0], [0, 1]], [[1, 0], [0, 1]], states=["left", "right"], actions=["go 1", "go 2"]),
    "biased": signaling_game(
        [[-((a - t - HALVES[1]) ** 2) for a in HALVES] for t in range(3)],
        [[-((a - t) ** 2) for a in HALVES] for t in range(3)],
    ),
    "three": CheapTalk(NormalFormGame(volunteers_dilemma(3)), messages=1),
}


@pytest.fixture(scope="module", params=sorted(TALKS))
def record(request: pytest.FixtureRequest) -> dict:
    return json.loads(json.dumps(talk_record(TALKS[request.param])))


def welfare(one: dict) -> float:
    return float(sum(Fraction(payoff) for payoff in one["payoffs"]))


def recomputed(record: dict) -> dict[str, float]:
    """The numbers of the summary, from the record's other fields."""
    values: dict[str, float] = {
        "messages": len(record["messages"]),
        "states": len(record["states"]),
        "equilibria": len(record["equilibria"]),
    }
    for player, plans in zip(record["players"], record["plans"], strict=True):
        values[f"{player} plans"] = len(plans)
    for kind in ("babbling", "off path", "informative"):
        own = [one for one in record["equilibria"] if one["kind"] == kind]
        values[f"{kind} equilibria"] = len(own)
        if own:
            values |= {f"{kind} least": min(map(welfare, own)), f"{kind} most": max(map(welfare, own))}
        if own and kind == "informative":
            best = max(own, key=welfare)
            values["best state bits"] = best["state_bits"]
            for k, player in enumerate(record["players"]):
                values[f"best {player} payoff"] = float(Fraction(best["payoffs"][k]))
                values[f"best {player} heard"] = best["heard_bits"][k]
    return values


def test_every_number_is_what_the_record_says(record: dict) -> None:
    expected = recomputed(record)
    for sentence in record["summary"]:
        assert {name: pytest.approx(expected[name]) for name in sentence["numbers"]} == sentence["numbers"]
        shown = {number(value) for value in sentence["numbers"].values()}
        assert set(NUMBER.findall(re.sub("“[^”]*”", "", sentence["text"]))) <= shown


def test_sentences_come_from_the_fields_only(record: dict) -> None:
    assert talk_sentences(record) == record["summary"]


def text_of(name: str) -> str:
    return " ".join(sentence["text"] for sentence in talk_record(TALKS[name])["summary"])


def test_a_convention_is_told_word_by_word() -> None:
    text = text_of("lewis")
    assert "only sender knows which of 2 states holds" in text
    assert "pays 1 to sender and 1 to receiver; each message tells the state (separating), 1 bit." in text
    says = re.search("sender says “(.)” in “left”, sender says “(.)” in “right”", text)
    assert says
    assert f"receiver plays “go 1” after “{says[1]}” and receiver plays “go 2” after “{says[2]}”" in text


def test_what_is_not_there_is_not_spoken_of() -> None:
    text = text_of("stag hunt")
    assert "0 informative" in text
    assert "best informative" not in text
    assert "mixture of messages can be informative" in text
    assert "each say one of 2 messages" in text_of("both")
    assert "extreme" not in text_of("three")


def test_messages_that_are_hardly_ever_sent_tell_less_than_can_be_measured() -> None:
    record = talk_record(TALKS["lewis"])
    for one in record["equilibria"]:
        one["heard_bits"] = [0.0] * len(one["heard_bits"])
    text = " ".join(sentence["text"] for sentence in talk_sentences(record))
    assert "What play owes to what was heard: less than can be measured." in text
