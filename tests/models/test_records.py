import dataclasses

import pytest

from marl.models import Row, Utterance


def test_rows_are_values():
    assert Row((1, 2), (3,)) == Row((1, 2), (3,))
    assert len({Row((1,), (2,)), Row((1,), (2,)), Row((1,), (2,), ((2,),), 0)}) == 2


@pytest.mark.parametrize("record", [Row((1,)), Utterance((1,), (0.0,))])
def test_records_do_not_change(record):
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.token_ids = ()
