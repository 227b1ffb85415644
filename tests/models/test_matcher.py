import re

import numpy as np
import pytest
from derivative import EMPTY, begins, matches, pattern, possible, trees
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher, LLParserLimits
from vocabularies import COMPLETE, bytelevel, nano, stop_ids, unigram, wordpiece

from marl.errors import ModelError
from marl.models.constraint import Constraint, compile_constraint
from marl.models.matcher import Matcher, allowed_along
from marl.models.spelling import spelling
from marl.models.texts import Texts
from marl.models.token_index import index_tokens

seeds = st.integers(0, 2**32 - 1)


def start(tokenizer, constraint):
    return compile_constraint(constraint, tokenizer, len(tokenizer), stop_ids(tokenizer))


def regex(expression):
    return Constraint("regex", pattern=expression)


def walk(matcher, rng, spelled, most=30):
    """Random allowed tokens until the reply ends or is long: [(matcher, tokens before it, bytes before it)], ids."""
    steps, ids = [], []
    while not matcher.finished and len(ids) < most:
        steps.append((matcher, tuple(ids), b"".join(spelled[token] for token in ids)))
        ids.append(int(rng.choice(np.flatnonzero(matcher.allowed()))))
        matcher = matcher.advance(ids[-1])
    return steps, ids


def truly_allowed(tree, said, spelled, stops):
    """[V] by derivatives: a space opens the reply, which is one line."""
    opened = ("cat", ("set", frozenset(" "), False), tree)
    if matches(tree, b""):
        opened = ("or", opened, EMPTY)
    return np.array(
        [
            matches(opened, said) if token in stops else bool(text) and begins(opened, said + text, "\n")
            for token, text in enumerate(spelled)
        ]
    )


@pytest.mark.parametrize("name", COMPLETE)
@settings(max_examples=25, deadline=None)
@given(tree=trees, seed=seeds)
def test_allowed_is_what_derivatives_allow_token_by_token(name, tree, seed):
    assume(pattern(tree) and possible(tree, "\n"))
    tokenizer = COMPLETE[name]()
    spelled = spelling(tokenizer)
    steps, _ = walk(start(tokenizer, regex(pattern(tree))), np.random.default_rng(seed), spelled, most=5)
    for matcher, _, said in steps:
        expected = truly_allowed(tree, said, spelled, stop_ids(tokenizer))
        wrong = np.flatnonzero(matcher.allowed() != expected)
        assert not len(wrong), [(said, spelled[token], bool(expected[token])) for token in wrong[:5]]
        assert matcher.complete == expected[tokenizer.eos_token_id]


@settings(max_examples=100, deadline=None)
@given(tree=trees, seed=seeds)
def test_no_reply_gets_stuck_and_a_stopped_one_matches(tree, seed):
    assume(pattern(tree) and possible(tree, "\n"))
    matcher = start(bytelevel(), regex(pattern(tree)))
    _, ids = walk(matcher, np.random.default_rng(seed), spelling(bytelevel()))
    if ids[-1] in stop_ids(bytelevel()):
        said = b"".join(spelling(bytelevel())[token] for token in ids[:-1]).decode()
        assert re.fullmatch(pattern(tree), said.removeprefix(" "))


@settings(max_examples=40, deadline=None)
@given(tree=trees, seed=seeds)
def test_forks_do_not_disturb_each_other(tree, seed):
    assume(pattern(tree) and possible(tree, "\n"))
    rng = np.random.default_rng(seed)
    steps, _ = walk(start(nano(), regex(pattern(tree))), rng, spelling(nano()), most=8)
    before = [matcher.allowed() for matcher, _, _ in steps]
    for matcher, _, _ in steps:  # other ways on from every place, in between
        walk(matcher, rng, spelling(nano()), most=4)
    for (matcher, ids, _), mask in zip(steps, before, strict=True):
        assert (matcher.allowed() == mask).all()
        again = start(nano(), regex(pattern(tree)))
        for token in ids:
            again = again.advance(token)
        assert (again.allowed() == mask).all()
        assert again.complete == matcher.complete


@settings(max_examples=10, deadline=None)
@given(tree=trees, seed=seeds)
def test_advance_takes_what_is_allowed_and_nothing_else(tree, seed):
    assume(pattern(tree) and possible(tree, "\n"))
    steps, _ = walk(
        start(bytelevel(), regex(pattern(tree))), np.random.default_rng(seed), spelling(bytelevel()), most=3
    )
    matcher = steps[-1][0]
    for token, allowed in enumerate(matcher.allowed()):
        if allowed:
            assert matcher.advance(token).finished == (token in stop_ids(bytelevel()))
        else:
            with pytest.raises(ModelError, match=f"token {token} may not come here"):
                matcher.advance(token)


def test_a_finished_reply_is_complete_and_goes_no_further():
    matcher = start(nano(), Constraint("vocabulary", ("north",)))
    (stop,) = stop_ids(nano()) - {nano().eos_token_id}
    assert (matcher.complete, matcher.finished) == (False, False)
    for token in nano().encode(" north", add_special_tokens=False):
        matcher = matcher.advance(token)
    assert (matcher.complete, matcher.finished) == (True, False)
    done = matcher.advance(stop)
    assert (done.complete, done.finished) == (True, True)
    assert not done.allowed().any()
    for token in (stop, 300, -1, 10**6):
        with pytest.raises(ModelError, match="may not come here"):
            done.advance(token)


def segmentations(text, spelled):
    """All token sequences that spell `text`."""
    if not text:
        return {()}
    return {
        (token, *rest)
        for token, piece in enumerate(spelled)
        if piece and text.startswith(piece)
        for rest in segmentations(text[len(piece) :], spelled)
    }


pieces = st.lists(st.text("ab▁", min_size=1, max_size=3), min_size=2, max_size=7, unique=True)


@settings(max_examples=60, deadline=None)
@given(pieces=pieces, texts=st.sets(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=4))
def test_tokens_that_cannot_end_a_text_never_begin_one(pieces, texts):
    tokenizer = unigram(pieces)
    (stop,) = stop_ids(tokenizer)
    spelled = spelling(tokenizer)
    whole = {(*way, stop) for text in texts for way in segmentations(b" " + text.encode(), spelled)}
    for constraint in (Constraint("vocabulary", tuple(sorted(texts))), grammar_of(texts)):
        if not whole:
            with pytest.raises(ModelError, match="no reply can meet"):
                compile_constraint(constraint, tokenizer, len(tokenizer), stop_ids(tokenizer))
            continue
        first = compile_constraint(constraint, tokenizer, len(tokenizer), stop_ids(tokenizer))
        for way in whole:
            masks = allowed_along(first, way)
            for place, mask in enumerate(masks):
                expected = {other[place] for other in whole if other[:place] == way[:place]}
                assert set(np.flatnonzero(mask).tolist()) == expected


def grammar_of(texts):
    return Constraint("grammar", pattern="start: " + " | ".join(f'"{text}"' for text in sorted(texts)))


def test_a_wordpiece_that_leads_nowhere_is_not_allowed():
    matcher = start(wordpiece(), Constraint("vocabulary", ("north", "northern")))
    assert [spelling(wordpiece())[token] for token in np.flatnonzero(matcher.allowed())] == [b" north"]


def test_a_grammar_that_forces_a_line_break_says_so_where_it_does():
    matcher = start(bytelevel(), Constraint("grammar", pattern='start: "a" ("b" | "\\n" "c")'))
    (a,), (b,) = (bytelevel().encode(text, add_special_tokens=False) for text in (" a", "b"))
    assert np.flatnonzero(matcher.advance(a).allowed()).tolist() == [b]
    forced = start(bytelevel(), Constraint("grammar", pattern='start: "a" "\\n" "c" | "b"')).advance(a)
    with pytest.raises(ModelError, match="no token of this model can come next"):
        forced.allowed()


def test_what_cannot_be_completed_is_hopeless():
    nested = start(bytelevel(), Constraint("grammar", pattern='start: "a" x | "b"\nx: "a" | "\\n" "c" x'))
    a, b = (spelling(bytelevel()).index(text) for text in (b"a", b"b"))
    opened = nested.advance(spelling(bytelevel()).index(b" "))
    assert not any(matcher.is_hopeless() for matcher in (nested, opened, opened.advance(a), opened.advance(b)))
    forced = start(bytelevel(), Constraint("grammar", pattern='start: "a" "a" "\\n" "c" | "b"')).advance(
        bytelevel().encode(" a", add_special_tokens=False)[0]
    )
    assert forced.is_hopeless()
    endless = Constraint("grammar", pattern='start: "a" start')
    assert not start(bytelevel(), endless).is_hopeless()


def test_a_constraint_beyond_the_librarys_limits_says_so():
    tokens = index_tokens(nano(), len(nano()), stop_ids(nano()))
    limits = LLParserLimits(initial_lexer_fuel=10**6, step_lexer_fuel=10)
    state = LLMatcher(tokens.index, "start: /([a-z]{1,9}é){2,5}/", limits=limits, log_level=0)
    with pytest.raises(ModelError, match=r"too much to follow: .*too many"):
        Matcher(tokens, state, careful=False).allowed()


def test_masks_along_a_reply_are_those_of_each_step():
    matcher = start(nano(), Constraint("words", ("north", "east")))
    ids = [*nano().encode(" north east", add_special_tokens=False), Texts(nano()).stop_id]
    masks = allowed_along(matcher, ids)
    assert masks.shape == (len(ids), len(nano()))
    assert masks.dtype == np.bool_
    for token, mask in zip(ids, masks, strict=True):
        assert (matcher.allowed() == mask).all()
        assert mask[token]
        matcher = matcher.advance(token)


def test_a_reply_said_under_another_constraint_is_refused():
    ids = nano().encode(" south", add_special_tokens=False)
    with pytest.raises(ModelError, match="under the constraint that it was said under"):
        allowed_along(start(nano(), Constraint("words", ("north", "east"))), ids)
