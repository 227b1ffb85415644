from __future__ import annotations

from collections.abc import Callable

import pytest

from marl.communication.lying import lie
from marl.types import Episode

Talk = Callable[..., Episode]
PLACES = ("the stag is north", "the stag is east", "the stag is south")


def code(talk: Talk, words: dict[str, str], rounds: int = 1, n: int = 60, **more: object) -> list[Episode]:
    places = list(words)
    return [
        talk(k, places[k % len(places)], {"scout_0": [words[places[k % len(places)]]] * rounds}, **more)
        for k in range(n)
    ]


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_code_is_shifted_by_one(talk: Talk, rounds: int) -> None:
    found = lie(code(talk, dict(zip(PLACES, "abc", strict=True)), rounds), "scout_0", seed=0)
    assert found is not None
    assert found.about == "situation"
    assert found.meanings == dict(zip("abc", PLACES, strict=True))
    assert set(found.heard_as) == set(found.heard_as.values()) == set("abc")
    assert all(text != other for text, other in found.heard_as.items())
    assert found.to_json() == {"about": "situation", "meanings": found.meanings, "heard_as": found.heard_as}


def test_synonyms_and_pooled_situations_are_lied_about_as_one(talk: Talk) -> None:
    """North and east are called a, or sometimes A; south is b: both names of the first class become b."""
    words = dict(zip(PLACES, "aab", strict=True))
    episodes = code(talk, words) + [talk(60 + k, PLACES[k % 2], {"scout_0": "A"}) for k in range(6)]
    found = lie(episodes, "scout_0", seed=0)
    assert found is not None
    assert found.heard_as == {"a": "b", "A": "b", "b": "a"}
    assert found.meanings["a"] == found.meanings["A"] == "the stag is east or the stag is north"


def test_where_all_begin_alike_messages_may_tell_the_move(talk: Talk) -> None:
    episodes = [
        talk(k, "start", {"scout_0": f"I go {move}"}, plays={"scout_0": move})
        for k, move in enumerate(["left", "right"] * 20)
    ]
    found = lie(episodes, "scout_0", seed=0)
    assert found is not None
    assert found.about == "own move"
    assert found.heard_as == {"I go left": "I go right", "I go right": "I go left"}


def test_who_tells_nothing_cannot_lie(talk: Talk) -> None:
    pooling = code(talk, dict.fromkeys(PLACES, "hello"))
    babbling = [talk(k, PLACES[k % 3], {"scout_0": "ab"[k // 3 % 2]}) for k in range(60)]
    unique = [talk(k, PLACES[k % 3], {"scout_0": f"word {k}"}) for k in range(60)]
    alike = [talk(k, "start", {"scout_0": "ab"[k % 2]}) for k in range(60)]
    for episodes in (
        pooling,
        babbling,
        unique,
        alike,
        [],
        code(talk, dict(zip(PLACES, "abc", strict=True)), failed=True),
    ):
        assert lie(episodes, "scout_0", seed=0) is None
    assert lie(code(talk, dict(zip(PLACES, "abc", strict=True))), "partner_0", seed=0) is None
