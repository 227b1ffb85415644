from __future__ import annotations

import pytest

from marl.communication.sentence import pointer, resolve, sentence
from marl.errors import ParleyError

DATA = {"a/b": {"~x": [1, 2.345]}, "p": 0.0001, "zero": -0.001}


def test_pointer_and_resolve_follow_rfc_6901() -> None:
    where = pointer("a/b", "~x", 1)
    assert where == "/a~1b/~0x/1"
    assert resolve(DATA, where) == 2.345
    assert resolve(DATA, "") is DATA


@pytest.mark.parametrize("where", ["/missing", "/a~1b/~0x/7", "/a~1b/~0x/word", "/p/q"])
def test_a_pointer_to_nothing_is_an_error(where: str) -> None:
    with pytest.raises(ParleyError, match="nothing at"):
        resolve(DATA, where)


def test_numbers_are_shown_rounded_and_kept_whole() -> None:
    made = sentence(
        DATA, "{who} {n} {x} {p:p} {p:%} {zero}", {"who": "{curly}"},
        n="/a~1b/~0x/0", x="/a~1b/~0x/1", p="/p", zero="/zero",
    )  # fmt: skip
    assert made["text"] == "{curly} 1 2.35 0.0001 0.01% 0.00"
    assert made["numbers"] == {"/a~1b/~0x/0": 1, "/a~1b/~0x/1": 2.345, "/p": 0.0001, "/zero": -0.001}
