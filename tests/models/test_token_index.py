import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vocabularies import bytelevel, fallback, gapped, nano, stop_ids, wordpiece, words

from marl.models.token_index import index_tokens, lark_terminal, spelled_characters, unspelled_pieces


def index(tokenizer, size=None):
    return index_tokens(tokenizer, size or len(tokenizer), stop_ids(tokenizer))


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(0, 255).map(lambda value: bytes([value]))), st.sets(st.sampled_from(["é", "✓", "ab", "𝄞"])))
def test_characters_are_spelled_by_their_bytes_or_by_a_token_of_their_own(single, pieces):
    spelled = spelled_characters([*single, *(piece.encode() for piece in pieces)])
    sample = [0, 9, 10, 97, 0x7F, 0x80, 0xE9, 0x7FF, 0x800, 0x2713, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x1D11E, 0x10FFFF]
    for code in sample:
        by_bytes = all(bytes([value]) in single for value in chr(code).encode())
        assert spelled[code] == (by_bytes or chr(code) in pieces)


def test_all_bytes_spell_every_character():
    assert spelled_characters([bytes([value]) for value in range(256)]).all()
    without = spelled_characters([bytes([value]) for value in range(256) if value != 10])
    assert np.flatnonzero(~without).tolist() == [10]


@pytest.mark.parametrize("missing", [0x9F, 0xA0, 0xA5, 0xBF, 0xED, 0xEE])
def test_no_range_ends_at_a_surrogate_which_is_no_character(missing):
    spelled = spelled_characters([bytes([value]) for value in range(256) if value != missing])
    assert not spelled.all()
    edges = np.flatnonzero(np.diff(spelled)) + 1
    assert not ((edges > 0xD800) & (edges < 0xE000)).any()
    assert all(missing not in chr(code).encode() for code in (0xD7FF, 0xE000) if spelled[code])


def test_pieces_with_an_unspelled_character_are_kept_whole():
    spelled = spelled_characters([b"a", b"b", b" "])
    assert unspelled_pieces([b"ab", b" north", b"a", b"\xc3", b"", "é".encode(), b"ax"], spelled) == [
        " north",
        "ax",
        "é",
    ]


@settings(deadline=None)
@given(st.sets(st.integers(0, 0x10FFFF).filter(lambda code: not 0xD800 <= code < 0xE000), max_size=30))
def test_the_terminal_names_each_spelled_character_once(codes):
    spelled = np.zeros(0x110000, dtype=bool)
    spelled[list(codes)] = True
    named = re.findall(r"\\x\{(\w+)\}-\\x\{(\w+)\}", lark_terminal(spelled, ["x\n"]))
    assert [code for a, b in named for code in range(int(a, 16), int(b, 16) + 1)] == sorted(codes)
    assert lark_terminal(spelled, ["x\n"]).endswith('"x\\n")*')


@pytest.mark.parametrize("tokenizer", [bytelevel, fallback, nano])
def test_a_line_break_that_stops_is_all_that_full_vocabularies_lack(tokenizer):
    tokens = index(tokenizer())
    assert tokens.limit == r"(/[\x{0}-\x{9}\x{b}-\x{10ffff}]/)*"
    assert (tokens.gaps, tokens.pieces) == (False, False)


def test_a_line_break_that_does_not_stop_is_a_character_like_others():
    tokens = index_tokens(nano(), len(nano()), frozenset({nano().eos_token_id}))
    assert (tokens.limit, tokens.gaps) == (None, False)


@pytest.mark.parametrize(("tokenizer", "pieces"), [(gapped, False), (words, True), (wordpiece, True)])
def test_other_vocabularies_have_gaps(tokenizer, pieces):
    tokens = index(tokenizer())
    assert (tokens.gaps, tokens.pieces) == (True, pieces)


def test_the_index_knows_the_bytes_the_stops_and_the_padding():
    tokens = index(bytelevel(), len(bytelevel()) + 5)
    assert tokens.index.vocab_size == tokens.size == len(bytelevel()) + 5
    assert set(tokens.index.eos_tokens) == tokens.stop_ids
    ids = bytelevel().encode(" north é", add_special_tokens=False)
    assert tokens.index.decode_bytes(ids) == " north é".encode()
    assert tokens.index.tokenize_str(" north é") == ids


def test_an_index_is_made_once():
    assert index(bytelevel()) is index(bytelevel())
