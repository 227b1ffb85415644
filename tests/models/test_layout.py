import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl.models import layout
from marl.models.forest import plant
from marl.models.layout import layouts

sequence_lists = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=9).map(tuple), min_size=1, max_size=12)


def seen_by(call, row, column):
    """Columns that the token of `row` at `column` sees: its own mask, or causal attention's."""
    place = column - call.kept
    if call.visible is None or place < call.trunk:
        return np.arange(column + 1)
    return np.flatnonzero(call.visible[row, place - call.trunk])


@pytest.mark.parametrize("long", [None, 2])
@given(sequences=sequence_lists, kept=st.booleans(), data=st.data())
def test_every_token_sees_its_own_beginning_and_nothing_else(long, sequences, kept, data):
    forest = plant(sequences, pair_cost=0.01)
    count = 0
    if kept:
        for tree in forest.trees:
            old = data.draw(st.lists(st.booleans(), min_size=len(tree.token_ids), max_size=len(tree.token_ids)))
            tree.slots = np.where(np.array(old), count + np.arange(len(old)), -1)
            count += len(old)
            if not any(old):
                tree.slots = None
            elif all(old):
                tree.slots[-1] = -1
    found = {}
    for call in layouts(forest.trees, 4096, long):
        for row, number in enumerate(call.numbers):
            found[int(number)] = (call, row)
            assert call.depths.shape[1] == call.kept + call.token_ids.shape[1]
    assert sorted(found) == list(range(len(forest.trees)))
    for sequence, number, path in zip(sequences, forest.tree_of, forest.places, strict=True):
        call, row = found[int(number)]
        tree = forest.trees[number]
        columns = call.columns[row][path]
        for depth, (token, place, column) in enumerate(zip(sequence, path, columns, strict=True)):
            assert call.depths[row, column] == depth
            if tree.slots is not None and tree.slots[place] >= 0:
                assert call.slots[row, column] == tree.slots[place]
                continue
            assert call.token_ids[row, column - call.kept] == token
            assert sorted(seen_by(call, row, column)) == sorted(columns[: depth + 1])


def test_padding_sees_something():
    forest = plant([(1, 2, 3), (1, 2, 4), (5, 6)], pair_cost=0.0)
    [call] = layouts(forest.trees, 4096)
    assert call.visible.any(-1).all()


def test_rows_of_other_lengths_go_in_calls_of_their_own(monkeypatch):
    monkeypatch.setattr(layout, "PASS_OVERHEAD", 4)
    forest = plant([tuple(range(30)), (40, *range(29)), (50, 51)], pair_cost=1.0)
    assert sorted(len(call.numbers) for call in layouts(forest.trees, 4096)) == [1, 2]


def test_large_requests_are_split(monkeypatch):
    forest = plant([(number, *range(19)) for number in range(100, 106)], pair_cost=1.0)
    assert len(layouts(forest.trees, 4096)) == 1
    assert [len(call.numbers) for call in layouts(forest.trees, 40)] == [2, 2, 2]
    monkeypatch.setattr(layout, "PAIRS_A_PASS", 800)
    assert [len(call.numbers) for call in layouts(forest.trees, 4096)] == [2, 2, 2]
