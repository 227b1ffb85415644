"""A stand-in for numpy's Generator under which every outcome of every draw can be visited, with its probability.

An environment that draws from one generator of its own needs no other interface to be enumerated. Draws of finitely
many outcomes are known (`integers`, `choice`, `permutation`, `shuffle`), and `random` as far as it is only compared.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, MutableSequence, Sequence
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np

from marl.errors import SolverError
from marl.games.normal_form import rationalize

MAX_OUTCOMES = 10_000
TOLERANCE = Fraction(1, 10**12)

Branch = Callable[[tuple[str, ...], tuple[Fraction, ...]], int]
"""Given the names and probabilities of outcomes, says which one happens now."""


class EnumeratingGenerator:
    """Draws whatever `branch` says. Raises SolverError for a draw that has no finite list of outcomes."""

    def __init__(self, branch: Branch) -> None:
        self._branch = branch

    def integers(
        self, low: int, high: int | None = None, size: Any = None, dtype: Any = np.int64, endpoint: bool = False
    ) -> Any:
        """As numpy's: `low` to `high`, without the last one unless `endpoint`; one argument counts from 0."""
        first, last = (0, low) if high is None else (low, high)
        values = range(int(first), int(last) + endpoint)
        return _shaped([self._one(values) for _ in range(_count(size))], size, dtype)

    def choice(self, a: Any, size: Any = None, replace: bool = True, p: Any = None) -> Any:
        """As numpy's, over the first axis of `a`; without replacement only where all are equally likely."""
        values = list(range(a)) if isinstance(a, int | np.integer) else list(a)
        count = _count(size)
        if not replace and count > 1:
            if p is not None:
                self._refuse("choice without replacement and with p")
            orders = list(itertools.islice(itertools.permutations(range(len(values)), count), MAX_OUTCOMES + 1))
            drawn = [values[k] for k in self._one(orders)]
        else:
            drawn = [self._one(values, p) for _ in range(count)]
        return drawn[0] if size is None else np.array(drawn).reshape(size)

    def permutation(self, x: Any) -> np.ndarray:
        """As numpy's, along the first axis."""
        values = np.arange(x) if isinstance(x, int | np.integer) else np.asarray(x)
        return values[list(self._order(len(values)))]

    def shuffle(self, x: MutableSequence[Any]) -> None:
        """As numpy's: a list or array, in place."""
        drawn = [x[k] for k in self._order(len(x))]
        for k, value in enumerate(drawn):
            x[k] = value

    def random(self, size: Any = None) -> Any:
        """Numbers from 0 to 1 that can be compared; which side of the bound they fall on is then drawn."""
        numbers = np.empty(_count(size), dtype=object)
        numbers[:] = [Uniform(self._branch) for _ in numbers]
        return numbers[0] if size is None else numbers.reshape(size)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse(name)

    def _refuse(self, what: str) -> NoReturn:
        raise SolverError(
            f"the environment draws {what!r}, whose outcomes cannot be listed; it may use integers, choice, "
            "permutation, shuffle, and random in comparisons"
        )

    def _order(self, count: int) -> tuple[int, ...]:
        if math.factorial(min(count, 20)) > MAX_OUTCOMES:
            raise SolverError(f"{count} things have too many orders; at most {MAX_OUTCOMES} outcomes are listed")
        return self._one(list(itertools.permutations(range(count))))

    def _one(self, values: Sequence[Any], p: Any = None) -> Any:
        """One of the values, all equally likely without `p`."""
        if not 1 <= len(values) <= MAX_OUTCOMES:
            raise SolverError(f"a draw has {len(values)} or more outcomes; 1 to {MAX_OUTCOMES} can be listed")
        equal = Fraction(1, len(values))
        shares = [equal] * len(values) if p is None else [rationalize(float(share), TOLERANCE) for share in p]
        open_to = [(value, share / sum(shares)) for value, share in zip(values, shares, strict=True) if share > 0]
        if len(open_to) == 1:
            return open_to[0][0]
        names, probabilities = zip(*((_name(value), share) for value, share in open_to), strict=True)
        if len(set(names)) < len(names):
            names = tuple(f"{k}: {name}" for k, name in enumerate(names))
        return open_to[self._branch(names, probabilities)][0]


class Uniform:
    """A number from 0 to 1 of which only comparisons are known: each one draws, and narrows down, where it lies."""

    def __init__(self, branch: Branch) -> None:
        self._branch, self._low, self._high = branch, Fraction(0), Fraction(1)

    def __lt__(self, bound: Any) -> bool:
        at = rationalize(float(bound), TOLERANCE)
        if at <= self._low or at >= self._high:
            return at >= self._high
        share = (at - self._low) / (self._high - self._low)
        below = self._branch((f"below {float(at):g}", f"not below {float(at):g}"), (share, 1 - share)) == 0
        if below:
            self._high = at
        else:
            self._low = at
        return below

    def __ge__(self, bound: Any) -> bool:
        return not self < bound

    __le__, __gt__ = __lt__, __ge__  # a bound is hit with probability 0


def _name(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple | list | np.ndarray) else str(value)


def _count(size: Any) -> int:
    return 1 if size is None else int(np.prod(size))


def _shaped(values: list[Any], size: Any, dtype: Any) -> Any:
    return np.dtype(dtype).type(values[0]) if size is None else np.array(values, dtype=dtype).reshape(size)
