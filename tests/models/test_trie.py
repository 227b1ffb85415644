import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl.errors import ModelError
from marl.models.trie import option_trie

STOP = 99

options_lists = st.lists(
    st.lists(st.integers(0, 3), min_size=1, max_size=5).map(tuple), min_size=1, max_size=8, unique=True
).map(tuple)


def test_one_token_options_part_at_the_root_only():
    trie = option_trie(((5,), (7,), (6,)), STOP)
    assert trie.paths == ((),)
    assert trie.children[0].tolist() == [5, 7, 6]
    assert trie.route_child[:, 0].tolist() == [0, 1, 2]


def test_single_option_leaves_nothing_open():
    trie = option_trie(((1, 2, 3),), STOP)
    assert trie.paths == ()
    assert trie.size == 1
    assert not trie.route_mask.any()


def test_shared_stem_is_skipped_and_a_prefix_ends_with_the_stop_token():
    trie = option_trie(((1, 2), (1, 2, 3)), STOP)
    assert trie.paths == ((1, 2),)
    assert trie.children[0].tolist() == [STOP, 3]


@given(options_lists)
def test_every_option_is_told_apart_by_its_route(options):
    trie = option_trie(options, STOP)
    routes = {
        tuple((int(b), int(c)) for b, c, real in zip(branches, children, mask, strict=True) if real)
        for branches, children, mask in zip(trie.route_branch, trie.route_child, trie.route_mask, strict=True)
    }
    assert len(routes) == len(options) == trie.size


@given(options_lists, st.integers(0, 2**31))
def test_any_weights_on_the_branches_give_a_distribution(options, seed):
    trie = option_trie(options, STOP)
    rng = np.random.default_rng(seed)
    weights = rng.random(trie.children.shape) * trie.child_mask
    steps = weights / weights.sum(-1, keepdims=True) if len(weights) else np.ones((1, 1))
    taken = np.where(trie.route_mask, steps[trie.route_branch, trie.route_child], 1.0)
    assert taken.prod(-1).sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "empty option list"),
        (((1,), ()), "option 1 of 2 has no tokens"),
        (((1, 2), (3,), (1, 2)), "twice"),
        (((1,), (1, STOP)), "stop token"),
    ],
)
def test_unusable_options_are_refused(options, words):
    with pytest.raises(ModelError, match=words):
        option_trie(options, STOP)
