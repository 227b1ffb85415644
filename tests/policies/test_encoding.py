from dataclasses import replace

import numpy as np
import pytest

from marl.errors import ScenarioError
from marl.policies.encoding import Alphabet, Encoding, alphabet, talks
from marl.scenario import load_scenario, validate_scenario
from marl.table import Table
from marl.types import Message, View


def lewis(**overrides):
    return load_scenario("lewis", [f"{key}={value}" for key, value in overrides.items()])


def networks(scenario, seats=None):
    data = scenario.model_dump(mode="json")
    data["policies"] = {name: {"kind": "network"} for name in data["policies"]}
    data["seats"] = seats or data["seats"]
    return validate_scenario(data)


def message(sender, text):
    return Message(sender, text, text, 0, 0, ("sender_0", "receiver_0"))


def view(agent, observation, inbox=(), phase="act", options=("state_a",)):
    return View(agent, phase, "", options, 8, observation, tuple(inbox), np.random.default_rng(0))


def test_actions_come_first_and_words_after_the_longest_list():
    letters = Alphabet({"a": ("x", "y", "z"), "b": ("y",)}, ("ba", "x"))
    assert letters.size == 5
    assert letters.numbers("a", "act", ("z", "x")) == (2, 0)
    assert letters.numbers("b", "act", ("y",)) == (0,)
    assert letters.numbers("b", "talk", ("ba", "x")) == (3, 4)


@pytest.mark.parametrize(
    ("agent", "options", "said"),
    [("b", ("x",), "none of"), ("c", ("x",), "unknown"), ("a", (), "free text")],
)
def test_what_is_not_listed_is_refused(agent, options, said):
    with pytest.raises(ScenarioError, match=said):
        Alphabet({"a": ("x",), "b": ("y",)}).numbers(agent, "act", options)


def test_the_alphabet_of_a_scenario_has_words_only_where_there_is_talk():
    assert alphabet(lewis()).vocabulary == ("ba", "du", "ki", "mo")
    silent = lewis(**{"channel.topology": "none"})
    assert not talks(silent)
    assert alphabet(silent).vocabulary == ()
    assert talks(lewis(**{"channel.intervention": '"off"'})), "the silent twin has networks of the same shape"


def test_free_text_is_refused_with_both_ways_out():
    with pytest.raises(ScenarioError, match=r"channel\.vocabulary, or set channel\.topology: none"):
        Encoding.of(networks(load_scenario("scout_hunt")), "hunter")


def test_each_policy_reads_its_own_seat():
    scenario = networks(lewis())
    table = Table(scenario)
    table.open_record(0, 0)
    table.begin()
    (talk,) = table.pending()
    encoding = Encoding.of(scenario, "sender")
    assert encoding.seats == ("sender_0",)
    row = encoding.read(talk)
    assert row.dtype == np.float32
    assert len(row) == encoding.inputs == encoding.longest + 2 * 4
    np.testing.assert_array_equal(row[: encoding.longest], np.ravel(talk.observation["observation"]))
    assert not row[encoding.longest :].any()


def test_a_shared_network_is_told_its_seat_and_hears_the_last_word_of_each():
    scenario = networks(lewis(), {"sender_0": "sender", "receiver_0": "sender"})
    encoding = Encoding.of(scenario, "sender")
    assert encoding.seats == ("sender_0", "receiver_0")
    space = encoding.spaces["receiver_0"]
    seen = space.sample()
    inbox = (message("sender_0", "ba"), message("sender_0", "ki"), message("receiver_0", "who"))
    row = encoding.read(view("receiver_0", seen, inbox))
    assert row[encoding.longest :].tolist() == [0, 1, *(0, 0, 1, 0), *(0, 0, 0, 0)]
    with pytest.raises(ScenarioError, match="was seated on 'somebody_0'"):
        encoding.rows("somebody_0", np.zeros((1, 1), np.float32))


def test_the_mask_marks_what_is_asked():
    encoding = Encoding.of(networks(lewis()), "sender")
    mask = encoding.legal([(0, 2), (4, 5, 6, 7)])
    assert [np.flatnonzero(row).tolist() for row in mask] == [[0, 2], [4, 5, 6, 7]]


def test_a_batch_is_its_views_row_by_row_with_the_numbers_that_a_view_brings_along():
    scenario = networks(lewis(), {"sender_0": "sender", "receiver_0": "sender"})
    encoding = Encoding.of(scenario, "sender")
    views = [
        view(agent, encoding.spaces[agent].sample(), [message("sender_0", word)])
        for agent in encoding.seats
        for word in ("ba", "mo")
    ]
    rows = encoding.batch(views)
    assert rows.shape == (4, encoding.inputs)
    assert all(np.array_equal(row, encoding.read(each)) for row, each in zip(rows, views, strict=True))
    brought = replace(views[0], features=np.full(2, 7.0, np.float32))
    assert encoding.read(brought)[: encoding.longest].tolist() == [7.0, 7.0, *[0.0] * (encoding.longest - 2)]
