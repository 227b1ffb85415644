"""Where a reply stands under a constraint, and which tokens may come next there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from marl.errors import ModelError
from marl.models.token_index import Tokens

if TYPE_CHECKING:
    from llguidance import LLMatcher

DEPTHS, PLACES = (1, 2, 4, 8, 16, 32, 64), 128
"""How many tokens ahead an end is looked for where a reply might not reach one, and at how many places each time."""

HINT = "leave out of it what the model's tokens do not spell, such as the line break where that ends a reply"


class Matcher:
    """One place in the replies that a constraint allows.

    It never changes: `advance` gives the next one, in microseconds, so rows that have said the same may share it.
    `careful` where the tokens might begin a text that they cannot end: then an end is looked for behind each of them.
    """

    __slots__ = ("_careful", "_state", "_tokens")

    def __init__(self, tokens: Tokens, state: LLMatcher | None, careful: bool) -> None:
        self._tokens = tokens
        self._state = state
        self._careful = careful

    @property
    def finished(self) -> bool:
        """Whether the stop token has been said."""
        return self._state is None

    @property
    def complete(self) -> bool:
        """Whether the text so far meets the constraint, so that the reply may end."""
        return self._state is None or self._state.is_accepting()

    def allowed(self) -> np.ndarray:
        """[V] bool: the tokens that may come next; stop tokens where the text is complete; none once finished.

        Raises ModelError where nothing can come: the constraint wants what the model's tokens do not spell.
        """
        mask = self._viable()
        if self._careful:
            for token in np.flatnonzero(mask).tolist():
                after = self.advance(token)
                mask[token] = any(after._can_end(depth, [PLACES]) for depth in DEPTHS)
        if not mask.any() and not self.finished:
            raise ModelError(f"no token of this model can come next under the constraint; {HINT}")
        return mask

    def is_hopeless(self) -> bool:
        """Whether no tokens whatever make the text complete; False also where finding that out would take long."""
        places = [PLACES]
        return not self._can_end(PLACES, places) and places[0] >= 0

    def advance(self, token_id: int) -> Matcher:
        """The matcher after `token_id`. Raises ModelError where that is not allowed."""
        if self._state is not None and 0 <= token_id < self._tokens.size:
            if token_id in self._tokens.stop_ids and self.complete:
                return Matcher(self._tokens, None, self._careful)
            state = self._state.deep_copy()
            if state.consume_token(token_id):
                return Matcher(self._tokens, state, self._careful)
        raise ModelError(
            f"token {token_id} may not come here; read a reply under the constraint that it was said under"
        )

    def _viable(self) -> np.ndarray:
        """[V] bool: the tokens that go on with a text that the constraint allows, whether or not it can be spelled."""
        if self._state is None:
            return np.zeros(self._tokens.size, dtype=bool)
        bits = np.frombuffer(self._state.compute_bitmask(), dtype=np.uint8)
        if self._state.is_error():
            if reason(self._state).startswith("NoExtension"):
                return np.zeros(self._tokens.size, dtype=bool)
            raise ModelError(f"the constraint is too much to follow: {reason(self._state)}; make it simpler")
        return np.unpackbits(bits, count=self._tokens.size, bitorder="little").view(np.bool_)

    def _can_end(self, depth: int, places: list[int]) -> bool:
        """Whether `depth` more tokens or fewer make the text complete, as far as a look at `places` places shows."""
        places[0] -= 1
        if self.complete or depth == 0:
            return self.complete
        ways = np.flatnonzero(self._viable()).tolist()
        return any(places[0] >= 0 and self.advance(token)._can_end(depth - 1, places) for token in ways)


def allowed_along(start: Matcher, token_ids: Sequence[int]) -> np.ndarray:
    """[K, V] bool: the tokens that were allowed when each of a reply's K tokens was said. Errors as in `Matcher`."""
    rows = []
    for token in token_ids:
        rows.append(start.allowed())
        start = start.advance(token)
    return np.stack(rows)


def reason(state: LLMatcher) -> str:
    """What llguidance has to say against a grammar, without its listings."""
    return state.get_error().split("\n   1 | ")[0].split("<state>")[0].strip()
