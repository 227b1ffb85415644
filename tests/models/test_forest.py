import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from marl.models.forest import plant

sequence_lists = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=7).map(tuple), min_size=1, max_size=12)


def read_back(forest, index):
    """The sequence that a place in the forest stands for, by what its last token can see."""
    tree = forest.trees[forest.tree_of[index]]
    last = forest.places[index][-1]
    seen = np.flatnonzero(tree.sees(np.array([last]))[0])
    return seen, tree.token_ids[seen], tree.depths[seen]


@given(sequence_lists, st.booleans(), st.sampled_from([0.0, 0.01, 0.3]))
def test_each_place_sees_exactly_its_own_sequence(sequences, share, pair_cost):
    forest = plant(sequences, pair_cost=pair_cost, share=share)
    for index, sequence in enumerate(sequences):
        seen, token_ids, depths = read_back(forest, index)
        assert tuple(token_ids.tolist()) == sequence
        assert depths.tolist() == list(range(len(sequence)))
        assert seen.tolist() == forest.places[index].tolist()


@given(sequence_lists)
def test_free_attention_puts_every_distinct_prefix_once(sequences):
    forest = plant(sequences, pair_cost=0.0)
    stems = {sequence[:length] for sequence in sequences for length in range(1, len(sequence) + 1)}
    first_tokens = {sequence[0] for sequence in sequences}
    assert sum(len(tree.token_ids) for tree in forest.trees) == len(stems)
    assert len(forest.trees) <= len(first_tokens)


@given(sequence_lists)
def test_without_sharing_no_row_branches(sequences):
    assert all(tree.visible is None for tree in plant(sequences, pair_cost=0.0, share=False).trees)


@given(sequence_lists)
def test_the_trunk_is_a_plain_sequence_and_no_longer_one_is(sequences):
    for tree in plant(sequences, pair_cost=0.0).trees:
        assert tree.depths[: tree.trunk].tolist() == list(range(tree.trunk))
        assert (tree.visible is None) == (tree.trunk == len(tree.depths))
        if tree.visible is not None:
            assert tree.depths[tree.trunk] < tree.trunk


def test_costly_attention_keeps_rows_apart():
    sequences = [(1, 2, *range(10, 30)), (1, 2, *range(40, 60))]
    assert len(plant(sequences, pair_cost=0.0).trees) == 1
    assert len(plant(sequences, pair_cost=1.0).trees) == 2
