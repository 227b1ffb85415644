import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vocabularies import COMPLETE, bytelevel, nano, words

from marl.errors import ModelError
from marl.models.spelling import spelling
from marl.models.stops import StopTexts
from marl.models.texts import Texts

letters = st.sampled_from("ab cé✓")
said_texts = st.text(letters, max_size=14)
stop_lists = st.lists(st.text(letters, min_size=1, max_size=4), min_size=1, max_size=3)
seeds = st.integers(0, 2**32 - 1)


def split(text, spelled, rng):
    """Random tokens that spell `text`, not as the tokenizer would split it."""
    rest, ids = text.encode(), []
    while rest:
        fits = [token for token, piece in enumerate(spelled) if piece and rest.startswith(piece)]
        ids.append(int(rng.choice(fits)))
        rest = rest[len(spelled[ids[-1]]) :]
    return ids


def first_place(text, stops):
    return min([text.find(stop) for stop in stops if stop in text], default=None)


@pytest.mark.parametrize("name", COMPLETE)
@settings(max_examples=40, deadline=None)
@given(text=said_texts, stops=stop_lists, seed=seeds)
def test_a_stop_text_is_seen_with_the_token_that_completes_it(name, text, stops, seed):
    tokenizer = COMPLETE[name]()
    spelled = spelling(tokenizer)
    ids, watch = split(text, spelled, np.random.default_rng(seed)), StopTexts(stops, tokenizer)
    for count in range(len(ids) + 1):
        said = b"".join(spelled[token] for token in ids[:count]).decode(errors="ignore")
        expected = first_place(said, stops) is not None
        assert watch.reached(ids[:count]) == expected
        if expected:
            break


@pytest.mark.parametrize("name", COMPLETE)
@settings(max_examples=40, deadline=None)
@given(text=said_texts, stops=stop_lists, seed=seeds)
def test_the_text_is_cut_before_the_earliest_stop(name, text, stops, seed):
    tokenizer = COMPLETE[name]()
    ids, watch = split(text, spelling(tokenizer), np.random.default_rng(seed)), StopTexts(stops, tokenizer)
    before = tuple(ids)
    assert watch.cut(ids) == " ".join(text[: first_place(text, stops)].split())
    assert tuple(ids) == before


@pytest.mark.parametrize("name", COMPLETE)
@settings(max_examples=40, deadline=None)
@given(text=said_texts, seed=seeds)
def test_without_a_stop_the_cut_text_is_the_decoded_one(name, text, seed):
    tokenizer = COMPLETE[name]()
    texts = Texts(tokenizer)
    ids = [*split(text, spelling(tokenizer), np.random.default_rng(seed)), tokenizer.eos_token_id, texts.stop_id]
    assert StopTexts(["never"], tokenizer).cut(ids) == texts.decode(ids) == " ".join(text.split())


def test_a_stop_may_begin_and_end_inside_tokens_and_characters_may_be_split():
    spell = {piece: token for token, piece in enumerate(spelling(bytelevel()))}
    ids = [spell[piece] for piece in (b" ", b"nort", b"\xe2\x9c", "\u2713 bé ".encode()[2:])]
    watch = StopTexts(["rt✓ b"], bytelevel())
    assert [watch.reached(ids[:count]) for count in range(5)] == [False, False, False, False, True]
    assert watch.cut(ids) == "no"
    assert StopTexts(["or"], bytelevel()).reached(ids[:2])


def test_half_a_character_is_no_other_one():
    """U+0153 is the bytes c5 93, and U+1F4D3 ends in 93: bytes of one never look like the other."""
    ids = bytelevel().encode("œ📓", add_special_tokens=False)
    assert not StopTexts(["\ufffd", "“"], bytelevel()).reached(ids)
    assert StopTexts(["📓"], bytelevel()).reached(ids)


def test_of_several_stops_the_earliest_counts():
    ids = nano().encode(" go north. END now", add_special_tokens=False)
    watch = StopTexts(["END", ".", "now"], nano())
    assert watch.cut(ids) == "go north"
    assert StopTexts(["END", "now"], nano()).cut(ids) == "go north."


def test_white_space_counts_as_it_was_said():
    ids = nano().encode(" a  b\nc", add_special_tokens=False)
    assert StopTexts(["a  b"], nano()).cut(ids) == ""
    assert StopTexts(["\n"], nano()).cut(ids) == "a b"
    assert StopTexts(["a b"], nano()).cut(ids) == "a b c"


def test_words_without_spaces_in_them_are_apart():
    ids = words().encode("north or south", add_special_tokens=False)
    assert StopTexts(["or s"], words()).cut(ids) == "north"


class Watched(list):
    """A list that remembers how far back it was read."""

    earliest = 10**9

    def __getitem__(self, place):
        assert isinstance(place, int), "no copies of a long reply"
        self.earliest = min(self.earliest, place % len(self))
        return super().__getitem__(place)


def test_only_the_tail_is_read():
    ids = Watched(nano().encode("a " * 500, add_special_tokens=False))
    assert not StopTexts(["north"], nano()).reached(ids)
    assert ids.earliest >= len(ids) - 5


def test_nothing_said_and_nothing_to_stop_at():
    assert not StopTexts(["a"], nano()).reached([])
    assert StopTexts(["a"], nano()).cut([]) == ""
    assert not StopTexts([], nano()).reached(nano().encode(" north", add_special_tokens=False))
    assert StopTexts([], nano()).cut(nano().encode(" north", add_special_tokens=False)) == "north"


@pytest.mark.parametrize("texts", ["stop", [""], ["a", ""], [3]])
def test_stops_are_texts_of_at_least_one_character(texts):
    with pytest.raises(ModelError, match=re.escape("at least one character")):
        StopTexts(texts, nano())
