from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl.text.reply import parse_reply
from marl.types import ParseFailure

OPTIONS = ["north", "south", "do nothing"]


@pytest.mark.parametrize("reply", ["north", " North ", '"north"', "NORTH.", "north!\n"])
def test_an_option_is_read_through_case_space_quotes_and_full_stop(reply: str) -> None:
    assert parse_reply(reply, OPTIONS) == 0


def test_inner_white_space_folds() -> None:
    assert parse_reply("do   nothing", OPTIONS) == 2


@pytest.mark.parametrize(
    "reply", ["", "north or south", "not north", "nor", "I choose north", "northh", "north\nsouth"]
)
def test_anything_looser_is_a_failure_not_a_guess(reply: str) -> None:
    failure = parse_reply(reply, OPTIONS)
    assert isinstance(failure, ParseFailure)
    assert failure.text == reply
    assert all(option in failure.reason for option in OPTIONS)


def test_a_reply_that_fits_two_options_is_a_failure() -> None:
    assert isinstance(parse_reply("go", ["Go", "go"]), ParseFailure)


@given(
    st.lists(st.from_regex(r"[a-z]{1,6}( [a-z]{1,6})?", fullmatch=True), min_size=1, max_size=6, unique=True), st.data()
)
def test_every_option_reads_as_itself(options: list[str], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(options) - 1))
    assert parse_reply(options[index], options) == index


@given(st.text(max_size=30))
def test_whatever_is_said_the_answer_is_legal_or_a_failure(reply: str) -> None:
    answer = parse_reply(reply, OPTIONS)
    assert isinstance(answer, ParseFailure) or OPTIONS[answer] in " ".join(reply.split()).casefold()
