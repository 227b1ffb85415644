import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast
from vocabularies import ALL, COMPLETE, bytelevel, fallback, gapped, nano, wordpiece, words

from marl.models.spelling import spelling

texts = st.text(st.sampled_from("abc north\n✓éß𝄞\u0301\ufffd"), min_size=1, max_size=12)


@pytest.mark.parametrize("name", COMPLETE)
@given(text=texts)
def test_the_tokens_of_a_text_spell_it(name, text):
    tokenizer = COMPLETE[name]()
    ids = tokenizer.encode("Answer: " + text, add_special_tokens=False)
    spelled = spelling(tokenizer)
    assert b"".join(spelled[token] for token in ids).decode().lstrip(" ") == f"Answer: {text}"


@pytest.mark.parametrize("name", ALL)
def test_special_tokens_spell_nothing(name):
    tokenizer = ALL[name]()
    assert {spelling(tokenizer)[token] for token in tokenizer.all_special_ids} == {b""}


@pytest.mark.parametrize("name", COMPLETE)
def test_every_byte_is_spelled(name):
    assert {bytes([value]) for value in range(256)} <= set(spelling(COMPLETE[name]()))


def test_half_characters_are_bytes():
    half, rest = bytelevel().encode("ß", add_special_tokens=False)
    assert (spelling(bytelevel())[half], spelling(bytelevel())[rest]) == (b"\xc3", b"\x9f")
    assert spelling(fallback())[fallback().convert_tokens_to_ids("<0x9F>")] == b"\x9f"
    assert spelling(nano())[nano().convert_tokens_to_ids("<0x0A>")] == b"\n"


@pytest.mark.parametrize(
    ("tokenizer", "expected"),
    [
        (gapped, {b" Answer", b":", b" ", b" a", b"ab", b"b c", "é".encode(), b" north", b"nor"}),
        (words, {b" north", b" south", b" or", b" a"}),
        (wordpiece, {b" Answer", b" :", b" north", b" n", b"o", b"ern"}),
    ],
)
def test_pieces_spell_what_they_add_behind_a_text(tokenizer, expected):
    assert expected <= set(spelling(tokenizer()))


def test_a_padded_vocabulary_has_silent_tokens_at_its_end():
    plain, padded = spelling(words()), spelling(words(), 10)
    assert padded == plain + (b"",) * 3
    assert spelling(words(), 4) == plain[:4]


def test_added_control_tokens_spell_nothing_and_added_words_do():
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words().backend_tokenizer, unk_token="<unk>", eos_token="</s>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|turn|>"]})
    tokenizer.add_tokens(["maybe"])
    spelled = spelling(tokenizer)
    assert spelled[tokenizer.convert_tokens_to_ids("<|turn|>")] == b""
    assert spelled[tokenizer.convert_tokens_to_ids("maybe")].strip() == b"maybe"
