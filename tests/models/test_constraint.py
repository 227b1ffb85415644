import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast
from vocabularies import COMPLETE, bytelevel, gapped, nano, stop_ids, words

from marl.errors import ModelError
from marl.models.constraint import Constraint, compile_constraint
from marl.models.spelling import spelling

FAMILY = [
    r"[a-e]{2,4}",
    r"go (?:north|south)(?: now)?",
    r"[0-9]{1,2}/[0-9]{2}",
    r"(?:yes|no)?",
    r"(?i:north) é+",
    r"[^,;]{3}",
    r"a.c|ab*?c",
    r"^stag$|[a-z]+ \"hare\"",
]


def start(tokenizer, constraint, **options):
    return compile_constraint(constraint, tokenizer, len(tokenizer), stop_ids(tokenizer), **options)


def replies(tokenizer, constraint, seed, count=1, most=40, **options):
    """What `count` random replies that ended within `most` tokens said, as bytes turned text."""
    rng, said = np.random.default_rng(seed), []
    for _ in range(count):
        matcher, text = start(tokenizer, constraint, **options), b""
        for _ in range(most):
            token = int(rng.choice(np.flatnonzero(matcher.allowed())))
            matcher = matcher.advance(token)
            if matcher.finished:
                said.append(text.decode())
                break
            text += spelling(tokenizer)[token]
    return said


def takes(tokenizer, constraint, text, **options):
    """Whether the reply `text` (as it is, spaces included) may be said and ended there."""
    matcher = start(tokenizer, constraint, **options)
    spell = {piece: token for token, piece in enumerate(spelling(tokenizer)) if token not in stop_ids(tokenizer)}
    try:
        for byte in text.encode():
            matcher = matcher.advance(spell[bytes([byte])])
    except ModelError:
        return False
    return matcher.complete


@settings(max_examples=80, deadline=None)
@given(pattern=st.sampled_from(FAMILY), name=st.sampled_from(sorted(COMPLETE)), seed=st.integers(0, 2**32 - 1))
def test_what_is_said_under_a_regex_matches_it_from_end_to_end(pattern, name, seed):
    for text in replies(COMPLETE[name](), Constraint("regex", pattern=pattern), seed, count=3):
        assert text.startswith(" ") or not text
        assert re.fullmatch(pattern, text.removeprefix(" "))


@settings(max_examples=30, deadline=None)
@given(
    texts=st.sets(st.sampled_from(["north", "nor", "north east", 'say "é"', "a\\b", "x|y", "✓", "/"]), min_size=1),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_vocabulary_says_exactly_one_of_its_texts(texts, seed):
    constraint = Constraint("vocabulary", tuple(sorted(texts)))
    said = replies(bytelevel(), constraint, seed, count=8)
    assert {text.removeprefix(" ") for text in said} <= texts
    assert len(said) == 8
    for text in texts:
        assert takes(bytelevel(), constraint, " " + text)


def test_words_come_in_any_number_with_single_spaces():
    constraint = Constraint("words", ("north", "or", "ab"))
    assert all(re.fullmatch(r"( (north|or|ab))+", text) for text in replies(nano(), constraint, 0, count=30))
    for text in (" or", " or or north", " ab north ab or ab"):
        assert takes(nano(), constraint, text)
    for text in ("", " ", "or", " or ", " or  ab", " orab", " o", " south"):
        assert not takes(nano(), constraint, text)


def test_a_grammar_counts_what_no_regex_can():
    constraint = Constraint("grammar", pattern='start: "(" start ")" | "x"  // nested\n')
    for text in (" x", " (x)", " (((x)))"):
        assert takes(nano(), constraint, text)
    for text in ("x", " (x", " ((x)", " (x))", " ()"):
        assert not takes(nano(), constraint, text)


def test_a_grammar_may_define_and_ignore_what_it_wants():
    constraint = Constraint("grammar", pattern='start: WORD ("," WORD)*\nWORD: /[a-z]+/\n%ignore / +/')
    assert takes(nano(), constraint, " ab , c,d")
    assert not takes(nano(), constraint, " ab ,, c")


@pytest.mark.parametrize(
    "constraint", [Constraint("regex", pattern="(ab)*"), Constraint("grammar", pattern='start: "ab"*')]
)
def test_a_reply_may_be_empty_where_the_empty_text_is_allowed(constraint):
    for text in ("", " ", " ab", " abab"):
        assert takes(nano(), constraint, text)
    assert not takes(nano(), constraint, "ab")
    assert not takes(nano(), Constraint("regex", pattern="(ab)+"), "")


def chat_tokenizer():
    return PreTrainedTokenizerFast(
        tokenizer_object=bytelevel().backend_tokenizer, eos_token="</s>", chat_template="{{ messages[0].content }}"
    )


def test_a_chat_reply_may_start_with_a_space_or_without_and_may_have_lines():
    tokenizer, constraint = chat_tokenizer(), Constraint("regex", pattern="a\nb")
    matcher = compile_constraint(constraint, tokenizer, len(tokenizer), frozenset({tokenizer.eos_token_id}))
    allowed = {spelling(tokenizer)[token] for token in np.flatnonzero(matcher.allowed())}
    assert allowed == {b" ", b" a", b"a", b"a\n"} & set(spelling(tokenizer))
    (a, newline, b) = tokenizer.encode("a", add_special_tokens=False) + [
        spelling(tokenizer).index(text) for text in (b"\n", b"b")
    ]
    assert matcher.advance(a).advance(newline).advance(b).complete


@pytest.mark.parametrize("lead", ["", "\n\n", " "])
def test_what_opens_a_reply_can_be_said(lead):
    tokenizer, constraint = chat_tokenizer(), Constraint("vocabulary", ("north",))
    matcher = compile_constraint(constraint, tokenizer, len(tokenizer), frozenset({tokenizer.eos_token_id}), lead=lead)
    assert {piece for token in np.flatnonzero(matcher.allowed()) if (piece := spelling(tokenizer)[token])} == {
        piece for piece in spelling(tokenizer) if piece and f"{lead}north".encode().startswith(piece)
    }


def test_words_are_the_tokens_of_a_vocabulary_of_words():
    assert set(replies(words(), Constraint("vocabulary", ("north", "south")), 0, count=20)) == {" north", " south"}
    assert all(
        re.fullmatch("( (north|or))+", text) for text in replies(words(), Constraint("words", ("north", "or")), 0, 20)
    )


def test_texts_that_cannot_be_spelled_are_left_out():
    assert set(replies(gapped(), Constraint("regex", pattern="nor|xyz|th"), 0, count=20)) == {" nor", " th"}


@pytest.mark.parametrize(
    ("tokenizer", "pattern", "dead"),
    [(bytelevel, "a(?:b|\nc)|c\nab", b"c"), (nano, "a\nb|c", b"a"), (gapped, "or|n(?:xy|é!)", b"n")],
)
def test_nothing_begins_that_could_not_be_spelled_to_its_end(tokenizer, pattern, dead):
    tokenizer = tokenizer()
    matcher = start(tokenizer, Constraint("regex", pattern=pattern)).advance(spelling(tokenizer).index(b" "))
    allowed = {spelling(tokenizer)[token] for token in np.flatnonzero(matcher.allowed())}
    assert allowed
    assert not any(text.startswith(dead) for text in allowed)


def test_padding_and_special_tokens_are_never_allowed():
    size = len(nano()) + 7
    matcher = compile_constraint(Constraint("regex", pattern=r"[^,]{1,9}"), nano(), size, stop_ids(nano()))
    mask = matcher.allowed()
    assert mask.shape == (size,)
    assert not mask[len(nano()) :].any()
    assert not mask[nano().all_special_ids].any()


def test_a_constraint_is_compiled_once():
    first, again = (start(nano(), Constraint("regex", pattern="ab+")) for _ in range(2))
    assert first is again
    assert start(nano(), Constraint("regex", pattern="ab*")) is not first


def test_constraints_are_values():
    one, same = Constraint("words", ("a", "b")), Constraint("words", ["a", "b"])
    assert (one, hash(one)) == (same, hash(same))
    assert pickle.loads(pickle.dumps(one)) == one != Constraint("vocabulary", ("a", "b"))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"kind": "json"}, "give one of vocabulary, words, regex, grammar"),
        ({"kind": "words"}, "must have `texts`"),
        ({"kind": "regex", "texts": ("a",)}, "must have `pattern`"),
        ({"kind": "vocabulary", "texts": ("a",), "pattern": "a"}, "must have `texts`"),
        ({"kind": "vocabulary", "texts": "north"}, "give a tuple of texts"),
        ({"kind": "vocabulary", "texts": ("a", "")}, "'' cannot be one of the texts"),
        ({"kind": "vocabulary", "texts": (" a",)}, "cannot be one of the texts"),
        ({"kind": "vocabulary", "texts": ("a\nb",)}, "single spaces"),
        ({"kind": "words", "texts": ("a b",)}, "in words no space at all"),
    ],
)
def test_constraints_that_make_no_sense_are_refused(fields, complaint):
    with pytest.raises(ModelError, match=re.escape(complaint)):
        Constraint(**fields)


@pytest.mark.parametrize(
    ("constraint", "reason"),
    [
        (Constraint("regex", pattern="a(b"), "unclosed group"),
        (Constraint("regex", pattern="a(?=b)"), "look-around"),
        (Constraint("regex", pattern=r"(a)\1"), "backreferences are not supported"),
        (Constraint("grammar", pattern="start: foo"), 'unknown name: "foo"'),
        (Constraint("grammar", pattern="hello"), "mend its pattern"),
        (Constraint("regex", pattern=r"a\nb"), "no reply can meet"),
        (Constraint("grammar", pattern='start: "\\n" "a"'), "no reply can meet"),
        (Constraint("regex", pattern=r"[^\s\S]"), "no reply can meet"),
    ],
)
def test_patterns_that_cannot_be_followed_are_refused_with_the_reason(constraint, reason):
    with pytest.raises(ModelError, match=re.escape(reason)):
        start(bytelevel(), constraint)


def test_a_text_that_the_vocabulary_lacks_is_refused():
    with pytest.raises(ModelError, match="no reply can meet"):
        start(words(), Constraint("vocabulary", ("east",)))
